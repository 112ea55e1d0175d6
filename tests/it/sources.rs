//! Checks the source text: which layers each layer imports, that no two files import each other, what pure layers name,
//! and that the architecture page in `lib.rs` agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from top to bottom, each with the layers that it may import.
const LAYERS: [(&str, &[&str]); 13] = [
    ("host", &["metrics", "report", "run", "aws", "cli", "preflight", "planning", "model", "text", "stop", "progress"]),
    ("metrics", &["report", "run", "planning", "model", "text"]),
    ("report", &["run", "planning", "model", "text", "stop", "defects"]),
    ("run", &["aws", "planning", "model", "text", "stop", "progress", "defects"]),
    ("aws", &["preflight", "model", "text", "stop", "progress", "defects"]),
    ("cli", &["preflight", "model", "text"]),
    ("preflight", &["planning", "model", "text"]),
    ("planning", &["model", "text", "defects"]),
    ("model", &["text"]),
    ("text", &[]),
    ("stop", &["progress"]),
    ("progress", &[]),
    ("defects", &[]),
];

/// The layers that only compute values.
const PURE: [&str; 5] = ["report", "preflight", "planning", "model", "text"];

/// What pure layers must not name, and why.
const IMPURE: [(&str, &str); 13] = [
    ("aws_", "an AWS type"),
    ("tokio", "async"),
    ("async ", "async"),
    (".await", "async"),
    ("Instant", "the clock"),
    ("SystemTime", "the clock"),
    ("fastrand", "randomness"),
    ("std::env", "the environment"),
    ("std::fs", "the disk"),
    ("std::net::Tcp", "the network"),
    ("print!", "printing"),
    ("println!", "printing"),
    ("tracing", "printing"),
];

/// The architecture page.
const PAGE: &str = include_str!("../../src/lib.rs");

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

/// The module of a file: `report::text` for `src/report/text.rs`. `None` for a file of tests.
fn module(file: &Path) -> Option<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut names: Vec<_> = path.iter().map(|name| name.to_str().unwrap()).collect();
    names.pop_if(|name| ["mod", "lib"].contains(name));
    (!names.contains(&"tests")).then(|| names.join("::"))
}

/// The text of a file before its tests.
fn program(text: &str) -> &str {
    let starts = ["mod tests {", "pub(crate) mod tests {"].map(|module| format!("#[cfg(test)]\n{module}"));
    starts.iter().fold(text, |text, start| text.split(start.as_str()).next().unwrap())
}

/// The text of every module without its tests. The library itself has an empty name.
pub(crate) fn modules() -> BTreeMap<String, String> {
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    let text = |file: &PathBuf| program(&fs::read_to_string(file).unwrap()).to_owned();
    all.iter().filter_map(|file| Some((module(file)?, text(file)))).collect()
}

/// The lines of code, without comment lines.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Every path that begins with `crate`, `super` or `self`, with the braces of `use` expanded.
fn paths(text: &str) -> Vec<String> {
    let code = code(text).collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = &code[..at];
            let inside = before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            // A visibility is not an import.
            if !inside && !before.ends_with("pub(in ") {
                expand(String::new(), &code[at..], &mut paths);
            }
        }
    }
    paths
}

/// Reads one path, or one in braces, and returns the remaining text.
fn expand<'a>(prefix: String, text: &'a str, into: &mut Vec<String>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            match rest.strip_prefix('}') {
                Some(after) => return after,
                None => rest = expand(prefix.clone(), rest, into),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        into.push(prefix);
        return rest.get(1..).unwrap_or_default();
    }
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if let Some(rest) = rest.strip_prefix("::") {
        return expand(path, rest, into);
    }
    into.push(path);
    rest.strip_prefix(" as ").map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The module whose file defines what `path` names in the file of `module`.
fn resolve(path: &str, module: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split("::") {
        match name {
            "crate" => names.clear(),
            "self" if names.is_empty() => names = module.split("::").collect(),
            "self" => {}
            "super" if names.is_empty() => {
                names = module.rsplit_once("::").map_or(vec![], |(up, _)| up.split("::").collect());
            }
            "super" => drop(names.pop()),
            other => names.push(other),
        }
    }
    while !names.is_empty() {
        let module = names.join("::");
        if modules.contains_key(&module) {
            return Some(module);
        }
        names.pop();
    }
    None
}

/// The files that each file imports.
fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |module: &str, text: &str| -> BTreeSet<String> {
        let resolved = paths(text).into_iter().filter_map(|path| resolve(&path, module, modules));
        resolved.filter(|import| import != module).collect()
    };
    modules.iter().map(|(module, text)| (module.as_str(), of(module, text))).collect()
}

fn layer(module: &str) -> &str {
    module.split("::").next().unwrap()
}

/// A cycle of imports, if there is one.
fn cycle(imports: &BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        module: &str,
        imports: &BTreeMap<&str, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|seen| seen == module) {
            return Some(path[at..].to_vec());
        }
        if done.contains(module) {
            return None;
        }
        path.push(module.to_owned());
        let found = imports.get(module).into_iter().flatten().find_map(|import| visit(import, imports, path, done));
        path.pop();
        done.insert(module.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| visit(module, imports, &mut Vec::new(), &mut done))
}

/// Every use of [`IMPURE`] in code, one line each.
fn impurities(text: &str) -> Vec<String> {
    let named = |line: &str| IMPURE.iter().find(|(name, _)| line.contains(name)).map(|(_, what)| *what);
    code(text).filter_map(|line| Some(format!("{}: {}", named(line)?, line.trim()))).collect()
}

#[test]
fn each_layer_imports_only_allowed_layers() {
    let modules = modules();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(layer, _)| *layer).collect();
    let there: BTreeSet<&str> =
        modules.keys().map(|module| layer(module)).filter(|layer| !layer.is_empty() && *layer != "main").collect();
    assert_eq!(there, known, "each folder of src is a layer in this test");
    for (module, imports) in imports(&modules) {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer(module)) else { continue };
        for import in imports {
            let to = layer(&import);
            assert!(to == layer(module) || allowed.contains(&to), "{module} imports {import}");
        }
    }
}

#[test]
fn a_layer_may_import_only_layers_below_it() {
    for (at, (layer, allowed)) in LAYERS.iter().enumerate() {
        let below: Vec<&str> = LAYERS[at + 1..].iter().map(|(layer, _)| *layer).collect();
        assert!(allowed.iter().all(|layer| below.contains(layer)), "{layer} may import from above");
    }
}

#[test]
fn no_files_import_each_other() {
    assert_eq!(cycle(&imports(&modules())), None);
}

#[test]
fn pure_layers_name_no_aws_type_no_async_no_clock_no_environment_and_print_nothing() {
    for (module, text) in modules().iter().filter(|(module, _)| PURE.contains(&layer(module))) {
        assert_eq!(impurities(text), Vec::<String>::new(), "{module}");
    }
}

#[test]
fn an_import_from_above_and_a_cycle_are_detected() {
    let modules: BTreeMap<String, String> = [
        ("model", "pub mod cidr;"),
        ("model::cidr", "use super::item::Item;\nuse crate::{run::apply::{self, Applied}, text};"),
        ("model::item", "// crate::host\nfn f() -> super::cidr::Cidr {}"),
        ("run", ""),
        ("run::apply", "use self::inner::X as Y;\nuse crate::model::*;"),
        ("text", ""),
    ]
    .map(|(module, text)| (module.to_owned(), text.to_owned()))
    .into();
    let imports = imports(&modules);
    let of = |module: &str| imports[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("model::cidr"), ["model::item", "run::apply", "text"]);
    assert_eq!(of("model::item"), ["model::cidr"]);
    assert_eq!(of("run::apply"), ["model"]);
    assert_eq!(cycle(&imports), Some(vec!["model::cidr".to_owned(), "model::item".to_owned()]));
}

#[test]
fn impure_names_are_detected() {
    let modules = modules();
    for (name, what) in [("aws::scan", "an AWS type"), ("stop", "async"), ("host::process", "the environment")] {
        let found = impurities(&modules[name]);
        assert!(found.iter().any(|line| line.starts_with(what)), "{name}: {found:?}");
    }
    let text = "// tokio\nlet now = Instant::now();\n    println!(\"{x}\");\n";
    assert_eq!(impurities(text), ["the clock: let now = Instant::now();", "printing: println!(\"{x}\");"]);
}

#[test]
fn tests_are_not_part_of_the_program() {
    assert_eq!(program("const D: u8 = 1;\n#[cfg(test)]\nmod tests {\nconst E: u8 = 1;\n}"), "const D: u8 = 1;\n");
    assert_eq!(program("#[cfg(test)]\nmod tests;\nconst D: u8 = 1;"), "#[cfg(test)]\nmod tests;\nconst D: u8 = 1;");
    assert_eq!(module(&root().join("src/aws/mod.rs")).as_deref(), Some("aws"));
    assert_eq!(module(&root().join("src/planning/layout/tests/world.rs")), None);
}

#[test]
fn the_architecture_page_lists_the_layers_in_order_with_their_imports() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let written: Vec<_> = cells
        .map(|cells| {
            assert!(cells[1].ends_with('.'), "{cells:?} describes the layer");
            let imports = cells[2].split_whitespace().map(|name| name.trim_matches('`').to_owned()).collect();
            (cells[0].trim_end_matches('`').to_owned(), imports)
        })
        .collect();
    let layers =
        LAYERS.map(|(layer, allowed)| (layer.to_owned(), allowed.iter().map(|&name| name.to_owned()).collect()));
    assert_eq!(written, Vec::<(String, Vec<String>)>::from(layers));
}

/// Each "`function` (file)" of the walkthroughs, by title.
fn walkthroughs() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let (_, text) = PAGE.split_once("//! # Walkthroughs").unwrap();
    let titled = text.split("//! **").skip(1).map(|rest| rest.split_once("**").unwrap());
    let steps = |text: &'static str| {
        let named = text.match_indices("` (`").filter_map(|(at, _)| {
            let name = text[..at].rsplit('`').next()?;
            let (file, _) = text[at + 4..].split_once("`)")?;
            file.strip_suffix(".rs").map(|_| (name, file))
        });
        named.collect()
    };
    titled.map(|(title, text)| (title, steps(text))).collect()
}

#[test]
fn every_function_of_a_walkthrough_is_in_its_file() {
    let walkthroughs = walkthroughs();
    assert_eq!(walkthroughs.len(), 4);
    for (title, steps) in walkthroughs {
        assert!(steps.len() >= 5, "{title}: {steps:?}");
        for (name, file) in steps {
            let text = fs::read_to_string(root().join("src").join(file));
            let text = text.unwrap_or_else(|_| panic!("src/lib.rs, {title}: src/{file} does not exist"));
            let is_there = ["(", "<"].iter().any(|next| text.contains(&format!("fn {name}{next}")));
            assert!(is_there, "src/lib.rs, {title}: src/{file} has no fn {name}");
        }
    }
}

/// Names shared by two public types that a reader cannot confuse.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("Action", "of a rule, and of AWS's API: only `aws` sees both, and says `governor::Action`"),
    ("Class", "of an error of AWS, and of an unwanted CIDR: `run` says `diff::Class`"),
    ("Write", "of a plan, and its entry in the document: `report` says `plan::Write`"),
];

#[test]
fn no_two_public_types_share_a_name() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, text) in modules() {
        for line in code(&text) {
            let kinds = ["pub struct ", "pub enum ", "pub trait ", "pub type "];
            let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
            let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            homes.entry(name.to_owned()).or_default().push(module.clone());
        }
    }
    homes.retain(|_, modules| modules.len() > 1);
    let allowed: Vec<&str> = SHARED_NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(homes.keys().collect::<Vec<_>>(), allowed, "{homes:?}");
}
