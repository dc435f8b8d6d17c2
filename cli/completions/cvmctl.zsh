#compdef cvmctl
# SPDX-License-Identifier: Apache-2.0
# zsh completion for cvmctl(1): what can be completed, cvmctl itself says.
# Usage: source <(cvmctl completion zsh), after compinit

_cvmctl() {
    emulate -L zsh -o extended_glob
    local program=${~words[1]} line word
    local -a reply described open

    reply=("${(@f)$("$program" complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in "${(@)reply[2,-1]}"; do
        word=${line%%$'\t'*}
        if [[ $word == *[=:] ]]; then
            open+=("$word")
        else
            described+=("${word//:/\\:}:${line#*$'\t'}")
        fi
    done
    (( $#described )) && _describe -V cvmctl described
    (( $#open )) && compadd -S '' -a open
    case $reply[1] in
        (files\ *)
            compset -p ${reply[1]#files } && _files ;;
        (directories\ *)
            compset -p ${reply[1]#directories } && _files -/ ;;
    esac
}

# As a file of fpath this is the function itself.
if [[ $funcstack[1] == _cvmctl ]]; then
    _cvmctl "$@"
else
    compdef _cvmctl cvmctl
fi
