//! The program as text, and what its modules may not name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the pure modules name nothing of, and why.
const IMPURE: [(&str, &str); 14] = [
    ("aws_", "an AWS type"),
    ("crate::aws", "an AWS type"),
    ("tokio", "async"),
    ("async ", "async"),
    (".await", "async"),
    ("Instant", "the clock"),
    ("SystemTime", "the clock"),
    ("fastrand", "chance"),
    ("std::env", "the environment"),
    ("std::fs", "the disk"),
    ("std::net::Tcp", "the network"),
    ("print!", "printing"),
    ("println!", "printing"),
    ("tracing", "printing"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// `src/report/text.rs` is `report::text`; `None` for a file of tests.
fn module(file: &Path) -> Option<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut names: Vec<_> = path.iter().map(|name| name.to_str().unwrap()).collect();
    names.pop_if(|name| ["mod", "lib"].contains(name));
    (!names.contains(&"tests")).then(|| names.join("::"))
}

/// What stands in front of a file's tests.
fn program(text: &str) -> &str {
    let starts = ["mod tests {", "pub(crate) mod tests {"].map(|module| format!("#[cfg(test)]\n{module}"));
    starts.iter().fold(text, |text, start| text.split(start.as_str()).next().unwrap())
}

/// Text of every module, tests left out; the library itself has no name.
pub(crate) fn modules() -> BTreeMap<String, String> {
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    let text = |file: &PathBuf| program(&fs::read_to_string(file).unwrap()).to_owned();
    all.iter().filter_map(|file| Some((module(file)?, text(file)))).collect()
}

/// The modules that the map in `lib.rs` calls pure.
fn pure(map: &str) -> Vec<&str> {
    let (_, rest) = map.split_once("//! Pure: ").unwrap();
    let table = rest.split_once("//! Awaits: ").unwrap().0;
    let names = table.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split_once("`] |"));
    names.map(|(name, _)| name).collect()
}

/// What of all that is named in code, in lines of its own.
fn impurities(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = |line: &str| IMPURE.iter().find(|(name, _)| line.contains(name)).map(|(_, what)| *what);
    code.filter_map(|line| Some(format!("{}: {}", named(line)?, line.trim()))).collect()
}

#[test]
fn pure_modules_name_no_aws_type_no_async_no_clock_no_environment_and_print_nothing() {
    let modules = modules();
    let pure = pure(&modules[""]);
    assert!(pure.len() > 20, "the map is not found any more: {pure:?}");
    for name in pure {
        let inside = format!("{name}::");
        let parts = modules.iter().filter(|(module, _)| *module == name || module.starts_with(&inside));
        let mut parts = parts.peekable();
        assert!(parts.peek().is_some(), "no such module: {name}");
        for (module, text) in parts {
            assert_eq!(impurities(text), Vec::<String>::new(), "{module}");
        }
    }
}

#[test]
fn what_is_not_pure_is_seen() {
    let modules = modules();
    for (name, what) in [("aws::scan", "an AWS type"), ("stop", "async"), ("host", "the environment")] {
        let found = impurities(&modules[name]);
        assert!(found.iter().any(|line| line.starts_with(what)), "{name}: {found:?}");
    }
    let text = "// tokio\nlet now = Instant::now();\n    println!(\"{x}\");\n";
    assert_eq!(impurities(text), ["the clock: let now = Instant::now();", "printing: println!(\"{x}\");"]);
}

#[test]
fn tests_are_no_part_of_the_program() {
    assert_eq!(program("const D: u8 = 1;\n#[cfg(test)]\nmod tests {\nconst E: u8 = 1;\n}"), "const D: u8 = 1;\n");
    assert_eq!(program("#[cfg(test)]\nmod tests;\nconst D: u8 = 1;"), "#[cfg(test)]\nmod tests;\nconst D: u8 = 1;");
    assert_eq!(module(&root().join("src/aws/mod.rs")).as_deref(), Some("aws"));
    assert_eq!(module(&root().join("src/layout/tests/world.rs")), None);
}
