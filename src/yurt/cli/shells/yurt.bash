# Completion of `yurt` in bash. In ~/.bashrc: source <(yurt completion bash)

_yurt() {
    # Readline takes ":" and "=" for ends of words; the words as they were typed are put together again.
    local rest=${COMP_LINE:0:COMP_POINT} trimmed words=() i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        local word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$trimmed
        if [[ $trimmed == "$rest" && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        rest=${trimmed#"$word"}
    done
    local current=${words[${#words[@]} - 1]} breaks='' prefix=''
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    if [[ -n $breaks && $current == *[$breaks]* ]]; then
        prefix=${current%"${current##*[$breaks]}"}
    fi

    local program=${words[0]} line
    [[ $program == \~/* ]] && program=$HOME/${program:2}
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        case $line in
            :files) compopt -o default ;;
            :folders) compopt -o dirnames ;;
            *)
                [[ $line == *: ]] && compopt -o nospace
                COMPREPLY+=("${line#"$prefix"}")
                ;;
        esac
    done < <("$program" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _yurt yurt
