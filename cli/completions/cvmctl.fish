# SPDX-License-Identifier: Apache-2.0
# fish completion for cvmctl(1): what can be completed, cvmctl itself says.
# Usage: cvmctl completion fish | source

function __cvmctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l reply ($program complete -- $words "$current" 2>/dev/null)
    or return

    if set -q reply[2]
        printf '%s\n' $reply[2..-1]
    end
    switch $reply[1]
        case 'files *' 'directories *'
            set -l n (string split ' ' -- $reply[1])[2]
            set -l prefix (string sub -l $n -- "$current")
            set -l path (string sub -s (math $n + 1) -- "$current")
            for file in (complete -C "'' $path")
                if string match -q 'files *' -- $reply[1]; or string match -qr '/(\t|$)' -- $file
                    printf '%s%s\n' "$prefix" $file
                end
            end
    end
end

complete -c cvmctl -f -a '(__cvmctl_complete)'
