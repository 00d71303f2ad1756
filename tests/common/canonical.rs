//! The text of a shader without its names and the order of its declarations: of its computation alone.

use std::{
    collections::HashMap,
    fmt::{Debug, Write as _},
};

use naga::{
    Block, Constant, Expression, Function, GlobalVariable, Handle, Module, Override, Statement, Type, TypeInner,
};

/// The entry point, with each declaration at its first use.
pub fn module(module: &Module) -> String {
    let mut text = Canonical { module, out: String::new(), functions: HashMap::new(), globals: HashMap::new() };
    for entry in &module.entry_points {
        text.line(&format!("entry {:?} {:?}", entry.stage, entry.workgroup_size));
        text.function(&entry.function);
    }
    text.out
}

/// FNV-1a: the same in every release of Rust.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

struct Canonical<'a> {
    module: &'a Module,
    out: String,
    /// Numbered by first use.
    functions: HashMap<Handle<Function>, usize>,
    globals: HashMap<Handle<GlobalVariable>, usize>,
}

impl Canonical<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn ty(&self, ty: Handle<Type>) -> String {
        match &self.module.types[ty].inner {
            TypeInner::Array { base, size, stride } => format!("array<{}, {size:?}, {stride}>", self.ty(*base)),
            TypeInner::Pointer { base, space } => format!("ptr<{}, {space:?}>", self.ty(*base)),
            TypeInner::Struct { members, span } => {
                let member = |m: &naga::StructMember| format!("{} @{} {:?}", self.ty(m.ty), m.offset, m.binding);
                format!("struct<{:?}, {span}>", members.iter().map(member).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        }
    }

    /// An expression of the module.
    fn value(&self, handle: Handle<Expression>) -> String {
        let parts = |list: &[Handle<Expression>]| list.iter().map(|&e| self.value(e)).collect::<Vec<_>>().join(", ");
        match &self.module.global_expressions[handle] {
            Expression::Literal(literal) => format!("{literal:?}"),
            &Expression::Constant(constant) => self.constant(constant),
            &Expression::ZeroValue(ty) => format!("zero {}", self.ty(ty)),
            Expression::Compose { ty, components } => format!("{}({})", self.ty(*ty), parts(components)),
            Expression::Splat { size, value } => format!("{size:?}({})", self.value(*value)),
            other => panic!("a constant of {other:?}"),
        }
    }

    fn constant(&self, handle: Handle<Constant>) -> String {
        let constant = &self.module.constants[handle];
        format!("{}: {}", self.value(constant.init), self.ty(constant.ty))
    }

    fn global(&mut self, handle: Handle<GlobalVariable>) -> usize {
        let next = self.globals.len();
        let number = *self.globals.entry(handle).or_insert(next);
        if number == next {
            let global = &self.module.global_variables[handle];
            let init = global.init.map(|init| self.value(init));
            let ty = self.ty(global.ty);
            self.line(&format!("global {number} {:?} {:?} {ty} {init:?}", global.space, global.binding));
        }
        number
    }

    /// The number of a callee. Its text comes before its first call.
    fn callee(&mut self, handle: Handle<Function>) -> usize {
        if let Some(&number) = self.functions.get(&handle) {
            return number;
        }
        let module = self.module;
        self.line("{");
        self.function(&module.functions[handle]);
        self.line("}");
        let number = self.functions.len();
        self.functions.insert(handle, number);
        number
    }

    fn function(&mut self, function: &Function) {
        for argument in &function.arguments {
            let ty = self.ty(argument.ty);
            self.line(&format!("argument {ty} {:?}", argument.binding));
        }
        if let Some(result) = &function.result {
            let ty = self.ty(result.ty);
            self.line(&format!("result {ty} {:?}", result.binding));
        }
        let handles = function.expressions.iter().map(|(handle, _)| handle).collect();
        let mut body = Body { text: self, function, handles, numbers: HashMap::new(), locals: HashMap::new() };
        body.block(&function.body);
    }
}

/// A function, with its expressions and variables numbered by first use.
struct Body<'t, 'm> {
    text: &'t mut Canonical<'m>,
    function: &'t Function,
    handles: Vec<Handle<Expression>>,
    numbers: HashMap<Handle<Expression>, usize>,
    locals: HashMap<Handle<naga::LocalVariable>, usize>,
}

impl Body<'_, '_> {
    fn block(&mut self, block: &Block) {
        for statement in block {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Emit(range) => range.clone().for_each(|handle| _ = self.number(handle)),
            Statement::Block(block) => self.nested("block", block),
            Statement::If { condition, accept, reject } => {
                let condition = self.number(*condition);
                self.nested(&format!("if %{condition}"), accept);
                self.nested("else", reject);
            }
            Statement::Switch { selector, cases } => {
                let selector = self.number(*selector);
                self.text.line(&format!("switch %{selector}"));
                for case in cases {
                    self.nested(&format!("case {:?} {}", case.value, case.fall_through), &case.body);
                }
            }
            Statement::Loop { body, continuing, break_if } => {
                self.nested("loop", body);
                self.nested("continuing", continuing);
                let break_if = break_if.map(|condition| self.number(condition));
                self.text.line(&format!("break if {break_if:?}"));
            }
            Statement::Call { function, arguments, result } => {
                let callee = self.text.callee(*function);
                let line = self.renumbered(&(arguments, result));
                self.text.line(&format!("call {callee} {line}"));
            }
            other => {
                let line = self.renumbered(other);
                self.text.line(&line);
            }
        }
    }

    fn nested(&mut self, head: &str, block: &Block) {
        self.text.line(&format!("{head} {{"));
        self.block(block);
        self.text.line("}");
    }

    fn local(&mut self, handle: Handle<naga::LocalVariable>) -> usize {
        let next = self.locals.len();
        let number = *self.locals.entry(handle).or_insert(next);
        if number == next {
            let local = &self.function.local_variables[handle];
            let init = local.init.map(|init| self.number(init));
            let ty = self.text.ty(local.ty);
            self.text.line(&format!("local {number} {ty} {init:?}"));
        }
        number
    }

    /// The number of an expression. Its first use writes a line that defines it.
    fn number(&mut self, handle: Handle<Expression>) -> usize {
        if let Some(&number) = self.numbers.get(&handle) {
            return number;
        }
        let line = match &self.function.expressions[handle] {
            &Expression::Constant(constant) => self.text.constant(constant),
            &Expression::Override(handle) => self.over(handle),
            &Expression::ZeroValue(ty) => format!("zero {}", self.text.ty(ty)),
            Expression::Compose { ty, components } => {
                format!("{} {}", self.renumbered(components), self.text.ty(*ty))
            }
            &Expression::GlobalVariable(global) => format!("global {}", self.text.global(global)),
            &Expression::LocalVariable(local) => format!("local {}", self.local(local)),
            &Expression::CallResult(function) => format!("result of {}", self.text.callee(function)),
            &Expression::AtomicResult { ty, .. }
            | &Expression::WorkGroupUniformLoadResult { ty }
            | &Expression::SubgroupOperationResult { ty } => format!("result {}", self.text.ty(ty)),
            other => self.renumbered(other),
        };
        let number = self.numbers.len();
        self.numbers.insert(handle, number);
        self.text.line(&format!("%{number} = {line}"));
        number
    }

    fn over(&self, handle: Handle<Override>) -> String {
        panic!("an override: {:?}", self.text.module.overrides[handle])
    }

    /// The debug text of a node, with the handles of expressions, numbers in brackets, by first use.
    fn renumbered(&mut self, node: &impl Debug) -> String {
        let text = format!("{node:?}");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(start) = rest.find('[') {
            let after = &rest[start + 1..];
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            out.push_str(&rest[..start]);
            if digits > 0 && after[digits..].starts_with(']') {
                let index: usize = after[..digits].parse().expect("digits");
                let _ = write!(out, "%{}", self.number(self.handles[index]));
                rest = &after[digits + 1..];
            } else {
                out.push('[');
                rest = after;
            }
        }
        out + rest
    }
}
