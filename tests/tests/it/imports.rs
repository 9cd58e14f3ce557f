//! Which module of a crate uses which, read from its sources with `syn`.
//!
//! Owns finding the modules, what a path in one of them means, and leaving out tests. Leaves out which import is allowed,
//! which is `module_order`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// The names from the crate's root down: `["gpu", "snapshot"]`; none for the root itself.
pub(crate) type ModulePath = Vec<String>;

/// The modules of one crate, tests left out.
#[derive(Debug)]
pub(crate) struct Modules(BTreeMap<ModulePath, Module>);

#[derive(Debug)]
struct Module {
    file: PathBuf,
    /// Every path that occurs in it.
    written: Vec<Written>,
    /// What its `use` items bring in, by the name it has here.
    names: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug)]
struct Written {
    path: Vec<String>,
    line: usize,
}

/// One module naming another, or an item in it.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) from: ModulePath,
    /// Where the item is defined, whichever module passes it on.
    pub(crate) to: ModulePath,
    /// As it is written.
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

impl Modules {
    /// Reads a crate from its root file and every file that is declared there.
    pub(crate) fn of_crate(root: &Path) -> Self {
        let mut modules = Self(BTreeMap::new());
        let folder = root.parent().unwrap().to_owned();
        modules.read(Vec::new(), root, &folder);
        modules
    }

    fn read(&mut self, path: ModulePath, file: &Path, folder: &Path) {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut reading = Reading::default();
        reading.visit_file(&parsed);
        self.insert(path, file, folder, reading);
    }

    /// Notes a module and reads those inside it. `folder` is where files of its own children are.
    fn insert(&mut self, path: ModulePath, file: &Path, folder: &Path, reading: Reading) {
        let Reading { children, inline, written, names } = reading;
        let path_of = |child: &String| [&path[..], std::slice::from_ref(child)].concat();
        for child in &children {
            self.read(path_of(child), &folder.join(format!("{child}.rs")), &folder.join(child));
        }
        for (child, reading) in inline {
            self.insert(path_of(&child), file, &folder.join(&child), reading);
        }
        self.0.insert(path, Module { file: file.to_owned(), written, names });
    }

    /// Every module; the root is the empty path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &ModulePath> {
        self.0.keys()
    }

    /// The names of a module's children.
    pub(crate) fn children<'a>(&'a self, parent: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.0
            .keys()
            .filter(move |path| path.len() == parent.len() + 1 && path.starts_with(parent))
            .filter_map(|path| path.last().map(String::as_str))
    }

    /// Every import from one module of this crate to another.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (from, module) in &self.0 {
            for Written { path, line } in &module.written {
                if let Some(to) = self.target(from, path, 0).filter(|to| to != from) {
                    imports.push(Import {
                        from: from.clone(),
                        to,
                        path: path.join("::"),
                        file: module.file.clone(),
                        line: *line,
                    });
                }
            }
        }
        imports
    }

    /// The module that defines what `path` means inside `from`; `None` when it is no path of this crate.
    fn target(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let mut rest = path;
        let mut module = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.to_vec(),
            child if self.0.contains_key(&[from, &[child.to_owned()]].concat()) => from.to_vec(),
            _ => return None,
        };
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => drop(module.pop()),
                name => {
                    let child = [&module[..], &[name.to_owned()]].concat();
                    if !self.0.contains_key(&child) {
                        break;
                    }
                    module = child;
                }
            }
            rest = after;
        }
        // What a module only passes on is its own module's. Real code passes an item on once or twice.
        let passed_on = rest.first().and_then(|name| self.0.get(&module)?.names.get(name));
        match passed_on.filter(|_| depth < 8) {
            Some(path) => self.target(&module, path, depth + 1).or(Some(module)),
            None => Some(module),
        }
    }
}

/// What one module says.
#[derive(Default)]
struct Reading {
    /// Modules in files of their own.
    children: Vec<String>,
    /// Modules in the same file.
    inline: Vec<(String, Reading)>,
    written: Vec<Written>,
    names: BTreeMap<String, Vec<String>>,
}

impl Reading {
    fn note(&mut self, path: Vec<String>, line: usize) {
        self.written.push(Written { path, line });
    }

    fn note_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_use(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_use(tree, before)),
            UseTree::Glob(glob) => self.note(before.to_vec(), glob.star_token.spans[0].start().line),
            UseTree::Name(name) if name.ident == "self" => {
                self.note_name(before.last().cloned(), before, name.ident.span().start().line);
            }
            UseTree::Name(name) => {
                let line = name.ident.span().start().line;
                self.note_name(Some(name.ident.to_string()), &with(&name.ident), line);
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                self.note_name(Some(rename.rename.to_string()), &with(&rename.ident), line);
            }
        }
    }

    fn note_name(&mut self, name: Option<String>, path: &[String], line: usize) {
        if let Some(name) = name {
            self.names.insert(name, path.to_vec());
        }
        self.note(path.to_vec(), line);
    }

    /// Paths among the words of a macro call, which only the macro itself can read.
    fn note_words(&mut self, words: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut line) = (0, 0);
        for word in words {
            match word {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.note_long(&path, line);
                        path.clear();
                        line = name.span().start().line;
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.note_long(&path, line);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.note_words(group.stream());
                    }
                }
            }
        }
        self.note_long(&path, line);
    }

    /// One word alone is a variable, or a type that a `use` brought in.
    fn note_long(&mut self, path: &[String], line: usize) {
        if path.len() > 1 {
            self.note(path.to_vec(), line);
        }
    }
}

impl<'ast> Visit<'ast> for Reading {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Mod(module) => {
                let name = module.ident.to_string();
                let Some((_, items)) = &module.content else { return self.children.push(name) };
                let mut reading = Self::default();
                for item in items {
                    reading.visit_item(item);
                }
                self.inline.push((name, reading));
            }
            Item::Use(item) if item.leading_colon.is_none() => self.note_use(&item.tree, &[]),
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => return,
        };
        if !is_for_tests(attributes) {
            syn::visit::visit_impl_item(self, item);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_for_tests(&variant.attrs) {
            syn::visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_for_tests(&arm.attrs) {
            syn::visit::visit_arm(self, arm);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
            self.note_long(&names, line);
        }
        syn::visit::visit_path(self, path);
    }

    /// `pub(in crate::gpu)` says who may look, and uses nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.note_words(call.tokens.clone());
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, alone or among other conditions.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let words = list.tokens.to_string();
        list.path.is_ident("cfg")
            && !words.contains("not")
            && words.split(['(', ')', ',', ' ']).any(|word| word == "test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports of a crate with these files, as `from → to`.
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let imports = Modules::of_crate(&folder.path().join("lib.rs")).imports();
        let mut found: Vec<_> = imports
            .iter()
            .map(|import| format!("{}:{} → {}", import.from.join("::"), import.line, import.to.join("::")))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn an_import_is_found_in_whatever_form_it_is_written() {
        let forms = [
            "use crate::b;",
            "use crate::b::B;",
            "use super::b::{self, B as Other};",
            "use crate::{c, b::B};",
            "use std::fmt; pub(crate) use crate::b::*;",
            "struct A(crate::b::B);",
            "fn a() -> u8 { super::b::f() }",
            "fn a() { println!(\"{}\", crate::b::f()); }",
            "use crate::Passed;",
        ];
        for form in forms {
            let root = "mod a; mod b; mod c; pub use b::B as Passed;";
            let found = imports(&[("lib.rs", root), ("a.rs", form), ("b.rs", ""), ("c.rs", "")]);
            assert!(found.contains(&"a:1 → b".to_owned()), "{form}: {found:?}");
        }
    }

    #[test]
    fn a_module_in_the_file_of_its_parent_is_a_module() {
        let root = "mod f { mod a; use super::b::B; }\nmod b;";
        let found = imports(&[("lib.rs", root), ("f/a.rs", "use super::super::b::B;"), ("b.rs", "")]);
        assert_eq!(found, ["f:1 → b", "f::a:1 → b"]);
    }

    #[test]
    fn a_parent_is_told_from_what_it_passes_on() {
        let gpu = "mod a; mod b; use b::B; struct Own;";
        let file = "use super::{\n    B,\n    Own,\n};";
        let found = imports(&[("lib.rs", "mod gpu;"), ("gpu.rs", gpu), ("gpu/a.rs", file), ("gpu/b.rs", "")]);
        assert_eq!(found, ["gpu:1 → gpu::b", "gpu::a:2 → gpu::b", "gpu::a:3 → gpu"]);
    }

    #[test]
    fn tests_and_other_crates_are_left_out() {
        let file = "#[cfg(test)] mod tests { use crate::b::B; }\n#[cfg(test)] use crate::b::B;\n\
                    #[cfg(all(test, unix))] fn f() { crate::b::f() }\nimpl A { #[cfg(test)] fn f() { crate::b::f() } }\n\
                    use b::B; use ::b::C; pub(in crate::b) struct D; /// [`crate::b::B`]\nstruct E;";
        let root = "mod a; mod b; #[cfg(test)] mod elsewhere;";
        assert_eq!(imports(&[("lib.rs", root), ("a.rs", file), ("b.rs", "")]), [""; 0]);
    }
}
