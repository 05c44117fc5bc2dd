//! The programs of `tests/parsers`, running: each gets a line for a question, and writes a line.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

/// What a parser sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Json(Value),
    /// Parameters, with brackets read as objects and lists.
    Nested(Value),
    Pairs(Vec<(String, String)>),
    /// The parser refuses the text.
    Error,
}

impl Seen {
    fn from_answer(answer: &Value) -> Seen {
        if answer == "error" {
            return Seen::Error;
        }
        let (form, value) = answer.as_object().unwrap().iter().next().unwrap();
        match form.as_str() {
            "json" => Seen::Json(value.clone()),
            "nested" => Seen::Nested(value.clone()),
            "pairs" => Seen::Pairs(serde_json::from_value(value.clone()).unwrap()),
            other => panic!("no form of an answer: `{other}`"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Readers(Vec<Reader>);

#[derive(Debug)]
struct Reader {
    program: &'static str,
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Readers {
    /// Starts all of them; `None` where the variables do not say where they are.
    pub(crate) fn started() -> Option<Readers> {
        let place = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
        let (Some(python), Some(node), Some(go)) = (
            place("MAGICPROXY_PARSERS_PYTHON"),
            place("MAGICPROXY_PARSERS_NODE"),
            place("MAGICPROXY_PARSERS_GO"),
        ) else {
            eprintln!(
                "skipped: MAGICPROXY_PARSERS_… are not set; `cargo xtask test parsers` sets them"
            );
            return None;
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parsers");
        let script = |program: &str, file: &str| {
            let mut command = Command::new(program);
            command.arg(folder.join(file));
            command
        };
        let mut node_command = script("node", "reader.cjs");
        node_command.env("NODE_PATH", node);
        let mut jq = Command::new("jq");
        jq.args(["--compact-output", "--unbuffered", "--from-file"]).arg(folder.join("reader.jq"));
        let commands = [
            ("python", script(python.to_str().unwrap(), "reader.py")),
            ("node", node_command),
            ("go", Command::new(go)),
            ("php", script("php", "reader.php")),
            ("ruby", script("ruby", "reader.rb")),
            ("jq", jq),
        ];
        Some(Readers(commands.map(|(program, command)| Reader::start(program, command)).into()))
    }

    /// Asks each reader each question, and returns what their parsers see, by question.
    pub(crate) fn ask(&mut self, questions: &[String]) -> Vec<BTreeMap<String, Seen>> {
        let answers: Vec<Vec<Value>> = thread::scope(|scope| {
            let asking: Vec<_> = self
                .0
                .iter_mut()
                .map(|reader| scope.spawn(move || reader.ask(questions)))
                .collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let of_question = |number: usize| {
            answers
                .iter()
                .flat_map(|of_reader| of_reader[number].as_object().unwrap())
                .map(|(parser, answer)| (parser.clone(), Seen::from_answer(answer)))
                .collect()
        };
        (0..questions.len()).map(of_question).collect()
    }
}

impl Reader {
    fn start(program: &'static str, mut command: Command) -> Reader {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start the reader in {program}: {error}"));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Reader { program, child, answers }
    }

    /// Writes all questions from a thread of its own: a reader that answers each at once would wait
    /// for us, and we for the reader.
    fn ask(&mut self, questions: &[String]) -> Vec<Value> {
        let (stdin, answers) = (self.child.stdin.as_mut().unwrap(), &mut self.answers);
        thread::scope(|scope| {
            scope.spawn(move || {
                questions.iter().all(|question| stdin.write_all(question.as_bytes()).is_ok())
                    && stdin.flush().is_ok()
            });
            let mut read = |question: &String| {
                let mut line = String::new();
                answers.read_line(&mut line).unwrap();
                serde_json::from_str(&line).unwrap_or_else(|error| {
                    panic!("{}: {error}: `{line}` for {question}", self.program)
                })
            };
            questions.iter().map(&mut read).collect()
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The end of its input ends a reader.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
