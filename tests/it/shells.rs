//! Completions, each asked of its shell, and the manual page, which a checker reads.

use crate::support::{Castoff, Folder};

/// What is typed, and all that its last word may become.
const LINES: [(&str, &str); 12] = [
    ("castoff upg", "upgrade"),
    ("castoff hea", "heads"),
    ("castoff upgrade 00", "0001 0002"),
    ("castoff stamp h", "head"),
    ("castoff --mode ", "check run skip upgrade wait"),
    ("castoff current --log-", "--log-format"),
    ("castoff lock --rev", "--reversible"),
    ("castoff --mode run lock --rev", "--reversible"),
    ("castoff help compl", "completions"),
    ("castoff completions f", "fish"),
    ("castoff install ./scr", "./script"),
    ("castoff run -- pg_recvl", "pg_recvlogical"),
];

/// What a program says that has a shell's completions beside it, and a castoff with two revisions.
fn completed(shell: &'static str, program: &[&str]) -> String {
    let castoff = Castoff::without_database().migrations(["0001", "0002: 0001"]);
    let script = castoff.clone().args(["completions", shell]).run();
    let folder = Folder::new();
    folder.file("script", &script.assert_code(0).stdout);
    folder.file("_castoff", &script.stdout);
    let (binary, _) = env!("CARGO_BIN_EXE_castoff").rsplit_once('/').unwrap();
    let migrations = castoff.own_folder().path().to_owned();
    let within = ["env", "--chdir", folder.path().to_str().unwrap()];
    let run = castoff
        .under(within)
        .program(program[0])
        .args(program[1..].iter().copied())
        .env("BINARY", binary)
        .env("HOME", folder.path())
        .env("TERM", "dumb")
        .env("CASTOFF_MIGRATIONS_DIR", migrations)
        .run();
    run.stdout.clone()
}

#[test]
fn bash_completes_commands_flags_words_revisions_and_paths() {
    const ASK: &str = r#"
        PATH=$BINARY:$PATH
        source ./script
        read -ra COMP_WORDS <<<"${1//=/ = }"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _castoff castoff "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort -u
    "#;
    for (line, expected) in LINES.iter().chain(&[("castoff --mode=u", "upgrade")]) {
        let words = completed("bash", &["bash", "--norc", "-c", ASK, "bash", line]);
        assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), *expected, "{line}");
    }
}

#[test]
fn fish_completes_commands_flags_words_revisions_and_paths() {
    const ASK: &str = "set PATH $BINARY $PATH; source ./script; complete --do-complete $argv[1]";
    for (line, expected) in LINES {
        let answer = completed("fish", &["fish", "--no-config", "--command", ASK, line]);
        // Behind a tab is what it means.
        let words = answer.lines().filter_map(|line| line.split('\t').next());
        let mut words: Vec<_> = words.collect();
        words.sort_unstable();
        words.dedup();
        let words = words.join(" ").replace("./script ./scr", "./script");
        assert_eq!(words, expected, "{line}");
    }
}

/// Types into zsh, as somebody at a terminal does; prints what is shown until a word is there.
const TYPIST: &str = r"
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ['PS1'] = '> '
    os.execvp('zsh', ['zsh', '-f', '-i'])
def shown(mark):
    text, end = '', time.time() + 20
    while mark not in text and time.time() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 4096).decode()
    return text
def type(text):
    os.write(terminal, text.encode())
shown('> ')
type('PATH=$BINARY:$PATH; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; '
     'unsetopt beep; bindkey \^I complete-word; print READ''Y\n')
shown('READY')
shown('> ')
type(sys.argv[1])
print(shown(sys.argv[2]))
os.kill(pid, 9)
";

#[test]
fn zsh_completes_commands_flags_words_revisions_and_paths() {
    for (line, expected) in LINES {
        let words: Vec<_> = expected.split(' ').collect();
        // The first Tab adds what all have in common, the second shows them.
        let typed = format!("{line}{}", "\t".repeat(words.len().min(2)));
        let last = words[words.len() - 1];
        let shown = completed("zsh", &["python3", "-c", TYPIST, &typed, last]);
        assert!(words.iter().all(|word| shown.contains(word)), "{line}: {shown:?}");
    }
}

#[test]
fn another_shell_is_refused_by_name() {
    let run = Castoff::without_database().args(["completions", "tcsh"]);
    let run = run.env("CASTOFF_LOG_FORMAT", "text").run();
    run.assert_code(64).assert_stderr("\"tcsh\"").assert_stderr("bash, zsh and fish");
}

#[test]
fn the_manual_page_is_one_that_man_understands() {
    let page = Castoff::without_database().args(["man"]).run();
    page.assert_code(0);
    let mandoc = |options: &[&'static str]| {
        let mandoc = Castoff::without_database().program("mandoc").stdin(&page.stdout);
        mandoc.args(options.iter().copied()).run()
    };
    // Its exit code is that of the worst that it has found.
    mandoc(&["-Tlint", "-Werror"]).assert_code(0).assert_stdout("");
    let mut text = String::new();
    // Bold is a letter over itself, italic one over a line.
    for letter in mandoc(&["-Tascii", "-Owidth=200"]).stdout.chars() {
        match letter {
            '\u{8}' => drop(text.pop()),
            letter => text.push(letter),
        }
    }
    for line in ["castoff run -- app args...", "CASTOFF_WAIT_TIMEOUT", "128 + n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
