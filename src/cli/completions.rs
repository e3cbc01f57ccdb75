//! What completes castoff's command lines, for each shell, from the tables that they are parsed with.
//!
//! Revisions are asked of castoff itself, which reads the folder and no database.

use std::fmt::Write;

use super::command::{OwnFlag, Topic, topics};
use super::error::UsageError;
use crate::settings::VARIABLES;

/// Flags of every command that are no settings.
const EVERYWHERE: [(&str, &str); 3] =
    [("json", "answer in JSON"), ("help", "show the help"), ("version", "show the version")];

/// The ids that castoff lists, one a line, for `castoff` in place of `{}`.
const REVISIONS: &str =
    r#"{} history --json 2>/dev/null | sed -n 's/^ *"revision": "\(.*\)",\{0,1\}$/\1/p'"#;

/// The script for a shell.
pub fn completions(shell: &str) -> Result<String, UsageError> {
    let mut script = String::new();
    let written = match shell {
        "bash" => bash(&mut script),
        "zsh" => zsh(&mut script),
        "fish" => fish(&mut script),
        other => {
            return Err(UsageError::UnknownWord {
                flag: "SHELL",
                word: other.to_owned(),
                expected: "bash, zsh and fish",
            });
        }
    };
    // Writing into a string can't fail.
    debug_assert!(written.is_ok());
    Ok(script)
}

/// A flag, of every command's or of one's own.
struct Flag {
    name: String,
    summary: String,
    value: Value,
}

/// What stands behind a flag.
enum Value {
    /// Nothing.
    None,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A path.
    Path,
    /// Anything.
    Any,
}

/// The flags that every command has.
fn flags() -> impl Iterator<Item = Flag> {
    let settings = VARIABLES.iter().filter(|variable| !variable.is_secret()).map(|variable| {
        let value = match (variable.is_switch(), variable.words(), variable.placeholder) {
            (true, ..) => Value::None,
            (false, [], "DIR" | "FILE" | "PATH") => Value::Path,
            (false, [], _) => Value::Any,
            (false, words, _) => Value::Word(words),
        };
        Flag { name: variable.flag(), summary: variable.summary.to_owned(), value }
    });
    let others = EVERYWHERE.iter().map(|(name, summary)| Flag {
        name: (*name).to_owned(),
        summary: (*summary).to_owned(),
        value: Value::None,
    });
    settings.chain(others)
}

fn own(flag: &OwnFlag) -> Flag {
    let value = match flag.value {
        None => Value::None,
        Some("DIR" | "FILE" | "PATH") => Value::Path,
        Some(_) => Value::Any,
    };
    Flag { name: flag.name.to_owned(), summary: String::new(), value }
}

/// What a command's argument is completed with.
enum Argument {
    Nothing,
    Revision,
    Path,
    Command,
    Shell,
}

fn argument(topic: &Topic) -> Argument {
    let Some(name) = topic.argument() else { return Argument::Nothing };
    if ["REV", "TARGET"].iter().any(|word| name.contains(word)) {
        Argument::Revision
    } else {
        match name {
            "PATH" => Argument::Path,
            "COMMAND" => Argument::Command,
            "SHELL" => Argument::Shell,
            _ => Argument::Nothing,
        }
    }
}

fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>, separator: &str) -> String {
    let words: Vec<_> = words.into_iter().collect();
    words.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(separator)
}

/// The commands that have an argument of a kind, with `|` between them.
fn with(kind: fn(&Argument) -> bool) -> Vec<&'static str> {
    topics().filter(|topic| kind(&argument(topic))).map(|topic| topic.name).collect()
}

fn bash(script: &mut String) -> std::fmt::Result {
    let dashed = |flag: &Flag| format!("--{}", flag.name);
    let everywhere = joined(flags().map(|flag| dashed(&flag)), " ");
    let all = || flags().chain(topics().flat_map(Topic::own_flags).map(own));
    let of = |kind: fn(&Value) -> bool| {
        let mut names: Vec<_> =
            all().filter(|flag| kind(&flag.value)).map(|f| dashed(&f)).collect();
        names.sort();
        names.dedup();
        joined(names, " | ")
    };
    let words = all().filter_map(|flag| match flag.value {
        Value::Word(words) => Some(format!(
            "    {}) _castoff_among '{}' && return ;;\n",
            dashed(&flag),
            words.join(" ")
        )),
        Value::None | Value::Path | Value::Any => None,
    });
    let own_flags = topics().filter(|topic| !topic.own_flags().is_empty()).map(|topic| {
        let flags = joined(topic.own_flags().iter().map(|flag| format!("--{}", flag.name)), " ");
        format!("    {}) flags+=' {flags}' ;;\n", topic.name)
    });
    write!(
        script,
        r#"# castoff's completions for bash: written by `castoff completions bash`
_castoff_among() {{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}}
_castoff_files() {{
    mapfile -t COMPREPLY < <(compgen -f "$@" -- "$word")
}}
_castoff() {{
    local word=$2 before=$3 flags='{everywhere}' command='' at
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
        --) _castoff_files -c && return ;;
        {with_value})
            # bash takes --mode=run for three words.
            [ "${{COMP_WORDS[at + 1]}}" = = ] && ((at++))
            ((at++))
            ;;
        -* | =) ;;
        *) [ -n "$command" ] || command=${{COMP_WORDS[at]}} ;;
        esac
    done
    [ "$word" = = ] && word=''
    [ "$before" = = ] && before=${{COMP_WORDS[COMP_CWORD - 2]}}
    case $before in
{words}    {paths}) _castoff_files && return ;;
    {any}) return ;;
    esac
    if [ -z "$command" ]; then
        _castoff_among "{commands} $flags" && return
    fi
    case $command in
{own_flags}    esac
    if [[ $word == -* ]]; then
        _castoff_among "$flags" && return
    fi
    case $command in
    {of_revisions}) _castoff_among "head base $({revisions})" ;;
    {of_paths}) _castoff_files ;;
    {of_commands}) _castoff_among '{commands}' ;;
    {of_shells}) _castoff_among 'bash zsh fish' ;;
    esac
}}
complete -o filenames -F _castoff castoff
"#,
        with_value = of(|value| !matches!(value, Value::None)),
        words = words.collect::<String>(),
        paths = of(|value| matches!(value, Value::Path)),
        any = of(|value| matches!(value, Value::Any)),
        commands = joined(topics().map(|topic| topic.name), " "),
        own_flags = own_flags.collect::<String>(),
        of_revisions = with(|it| matches!(it, Argument::Revision)).join(" | "),
        of_paths = with(|it| matches!(it, Argument::Path)).join(" | "),
        of_commands = with(|it| matches!(it, Argument::Command)).join(" | "),
        of_shells = with(|it| matches!(it, Argument::Shell)).join(" | "),
        revisions = REVISIONS.replacen("{}", "\"${COMP_WORDS[0]}\"", 1),
    )
}

fn zsh(script: &mut String) -> std::fmt::Result {
    // What `_arguments` and `_describe` take for their own.
    let escaped = |text: &str| {
        text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
    };
    let flag = |flag: Flag| {
        let (equals, value) = match flag.value {
            Value::None => ("", String::new()),
            Value::Word(words) => ("=", format!(":value:({})", words.join(" "))),
            Value::Path => ("=", ":path:_files".to_owned()),
            Value::Any => ("=", ":value: ".to_owned()),
        };
        format!("'--{}{equals}[{}]{value}'", flag.name, escaped(&flag.summary))
    };
    writeln!(script, "#compdef castoff")?;
    writeln!(script, "# castoff's completions for zsh: written by `castoff completions zsh`")?;
    writeln!(script, "_castoff_revisions() {{")?;
    writeln!(script, "    local -a revisions")?;
    let revisions = REVISIONS.replacen("{}", "castoff", 1);
    writeln!(script, "    revisions=(head base ${{(f)\"$({revisions})\"}})")?;
    writeln!(script, "    compadd -a revisions\n}}")?;
    writeln!(script, "_castoff_commands() {{\n    local -a commands\n    commands=(")?;
    for topic in topics() {
        writeln!(script, "        '{}:{}'", topic.name, escaped(topic.summary))?;
    }
    writeln!(script, "    )\n    _describe command commands\n}}")?;
    writeln!(
        script,
        "_castoff() {{\n    local context state line\n    local -a flags\n    flags=("
    )?;
    for each in flags() {
        writeln!(script, "        {}", flag(each))?;
    }
    writeln!(script, "    )")?;
    writeln!(
        script,
        "    _arguments -C $flags '1:command:_castoff_commands' '*::argument:->argument'"
    )?;
    writeln!(script, "    [[ $state = argument ]] || return\n    case $words[1] in")?;
    // Behind the dashes it is another command's line.
    writeln!(script, "    run)\n        local dashes=${{words[(i)--]}}")?;
    writeln!(script, "        if ((dashes < CURRENT)); then")?;
    writeln!(script, "            shift $dashes words\n            ((CURRENT -= dashes))")?;
    writeln!(script, "            _normal\n        else\n            _arguments $flags")?;
    writeln!(script, "        fi\n        ;;")?;
    for topic in topics().filter(|topic| topic.name != "run") {
        let action = match argument(topic) {
            Argument::Revision => " '*:revision:_castoff_revisions'",
            Argument::Path => " '1:path:_files'",
            Argument::Command => " '1:command:_castoff_commands'",
            Argument::Shell => " '1:shell:(bash zsh fish)'",
            Argument::Nothing => "",
        };
        let own: String =
            topic.own_flags().iter().map(|it| format!(" {}", flag(own(it)))).collect();
        writeln!(script, "    {}) _arguments $flags{own}{action} ;;", topic.name)?;
    }
    writeln!(script, "    esac\n}}\n_castoff \"$@\"")
}

fn fish(script: &mut String) -> std::fmt::Result {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let value = |value: &Value| match value {
        Value::None => String::new(),
        Value::Word(words) => format!(" -x -a '{}'", words.join(" ")),
        Value::Path => " -r -F".to_owned(),
        Value::Any => " -x".to_owned(),
    };
    writeln!(script, "# castoff's completions for fish: written by `castoff completions fish`")?;
    writeln!(script, "complete -c castoff -f")?;
    for topic in topics() {
        let (name, summary) = (topic.name, quoted(topic.summary));
        writeln!(script, "complete -c castoff -n __fish_use_subcommand -a {name} -d {summary}")?;
        let seen = format!("complete -c castoff -n '__fish_seen_subcommand_from {name}'");
        let revisions = REVISIONS.replacen("{}", "castoff", 1);
        match argument(topic) {
            Argument::Revision => {
                writeln!(script, "{seen} -a {}", quoted(&format!("head base ({revisions})")))?;
            }
            Argument::Path => writeln!(script, "{seen} -F")?,
            Argument::Command => {
                let commands = joined(topics().map(|topic| topic.name), " ");
                writeln!(script, "{seen} -a '{commands}'")?;
            }
            Argument::Shell => writeln!(script, "{seen} -a 'bash zsh fish'")?,
            Argument::Nothing if name == "run" => {
                writeln!(script, "{seen} -F -a '(__fish_complete_command)'")?;
            }
            Argument::Nothing => {}
        }
        for flag in topic.own_flags().iter().map(own) {
            writeln!(script, "{seen} -l {}{}", flag.name, value(&flag.value))?;
        }
    }
    for flag in flags() {
        let (name, summary) = (&flag.name, quoted(&flag.summary));
        writeln!(script, "complete -c castoff -l {name} -d {summary}{}", value(&flag.value))?;
    }
    Ok(())
}
