#compdef yurt
# Completion of `yurt` in zsh. In ~/.zshrc, after compinit: source <(yurt completion zsh)

_yurt() {
    local line value text files=''
    local -a candidates open
    for line in "${(@f)$(${~words[1]} __complete "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        text=${${line#"$value"}#$'\t'}
        case $value in
            '') ;;
            :files) files='_files' ;;
            :folders) files='_files -/' ;;
            *:) open+=("$value") ;;
            *) candidates+=("${value//:/\\:}${text:+:$text}") ;;
        esac
    done
    local found=1
    (( $#candidates )) && _describe -t words 'word' candidates && found=0
    (( $#open )) && compadd -S '' -- $open && found=0
    if [[ -n $files ]]; then
        compset -P '--*='
        ${=files} && found=0
    fi
    return found
}

if [[ $funcstack[1] == _yurt ]]; then
    _yurt "$@"
else
    compdef _yurt yurt
fi
