# Completion of `yurt` in fish: yurt completion fish > ~/.config/fish/completions/yurt.fish

function __yurt_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --cut-at-cursor --current-token)
    set -l program $words[1]
    set --erase words[1]
    for line in (command $program __complete $words "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (string replace --regex -- '^--[^=]*=' '' "$current")
            case :folders
                __fish_complete_directories (string replace --regex -- '^--[^=]*=' '' "$current") ''
            case '*'
                echo $line
        end
    end
end

complete --command yurt --no-files --arguments '(__yurt_complete)'
