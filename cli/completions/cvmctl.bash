# SPDX-License-Identifier: Apache-2.0
# bash completion for cvmctl(1): what can be completed, cvmctl itself says.
# Usage: source <(cvmctl completion bash)

_cvmctl() {
    local program=${1/#~\//$HOME/} rest=${COMP_LINE:0:COMP_POINT}
    local words=() reply=() before part line
    COMPREPLY=()

    # Readline also splits words at "=" and ":"; parts with nothing between them are one word.
    for part in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
        before=${rest%%[![:space:]]*}
        rest=${rest#"$before"}
        if [[ -n $before || ${#words[@]} == 0 ]]; then
            words+=("$part")
        else
            words[-1]+=$part
        fi
        rest=${rest#"$part"}
    done
    before=${rest%%[![:space:]]*}
    rest=${rest#"$before"}
    if [[ -n $before ]]; then words+=("$rest"); else words[-1]+=$rest; fi

    mapfile -t reply < <("$program" complete --quoted -- "${words[@]:1}" 2>/dev/null)
    # Readline replaces only the last part of the word, $2.
    before=${words[-1]%"$2"}
    for line in "${reply[@]:1}"; do
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$before"}")
    done

    case ${reply[0]-} in
    "files ${#before}" | "directories ${#before}")
        if [[ ${reply[0]} == files* ]]; then part=file; else part=directory; fi
        if ((${#COMPREPLY[@]} == 0)); then
            # Readline's own completion of files, which knows quotes and blanks.
            if [[ $part == file ]]; then compopt -o default; else compopt -o dirnames; fi
            return
        fi
        mapfile -t words < <(compgen -A "$part" -- "$2")
        if ((${#words[@]})); then
            COMPREPLY+=("${words[@]}")
            compopt -o filenames
        fi
        ;;
    esac
    if [[ ${COMPREPLY[0]-} == *[=:] ]]; then compopt -o nospace; fi
}
complete -F _cvmctl cvmctl
