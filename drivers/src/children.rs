//! A driver may crash: this program starts itself, and each child compiles one shader after another. A child that dies
//! is a failure of the shader that it was at, and another one goes on.

use std::{
    env, fmt,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use wgpu_norm::{shaders::Shader, wgpu};

use crate::statistics::Statistics;

/// Seconds that a shader may take.
const PATIENCE: u64 = 120;

/// Begins the lines of the protocol: drivers may print others.
const ANSWER: &str = "wgpu-norm-drivers: ";
const READY: &str = "ready";

/// Statistics, where the driver has them; or why there is no pipeline.
pub type Outcome = Result<Option<Statistics>, Failure>;

/// Why there is no pipeline of a shader.
#[derive(Debug)]
pub enum Failure {
    /// The compiler refused it, and says why.
    Refused(String),
    /// The child died of it, and this is how.
    Crash(String),
    /// The child took too long.
    Timeout,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("REFUSED"),
            Self::Crash(how) => write!(f, "CRASH {how}"),
            Self::Timeout => write!(f, "TIMEOUT after {PATIENCE} s"),
        }
    }
}

/// Compiles shaders in children, one for each core. `arguments` are those of a child.
pub fn compile(shaders: &[Shader], arguments: &[&str]) -> Result<Vec<Outcome>, String> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || -> Result<(), String> {
        let mut worker = Worker::start(arguments)?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(shader) = shaders.get(index) else { return Ok(()) };
            let outcome = worker.compile(shader);
            if let Err(Failure::Crash(_) | Failure::Timeout) = outcome {
                worker = Worker::start(arguments)?;
            }
            outcomes.lock().map_err(|e| e.to_string())?.push((index, outcome));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })?;
    let mut outcomes = outcomes.into_inner().map_err(|e| e.to_string())?;
    outcomes.sort_by_key(|&(index, _)| index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// A child, as its parent sees it.
struct Worker {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    fn start(arguments: &[&str]) -> Result<Self, String> {
        let program = env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(program);
        // Mesa keeps on disk what it compiled.
        command.args(arguments).env("MESA_SHADER_CACHE_DISABLE", "true");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child has no pipes".into());
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                match line.strip_prefix(ANSWER) {
                    Some(answer) if sender.send(answer.to_owned()).is_err() => break,
                    Some(_) => {}
                    None => println!("{line}"),
                }
            }
        });
        let mut worker = Self { child, input, answers };
        match worker.answer() {
            Ok(answer) if answer == READY => Ok(worker),
            Ok(answer) => Err(answer),
            Err(end) => Err(format!("a child does not start: {end}")),
        }
    }

    fn compile(&mut self, shader: &Shader) -> Outcome {
        let wgsl = shader.wgsl();
        let request = format!("{} {}\n{wgsl}", encode(&shader.bind_group_layout()), wgsl.len());
        // A child that is gone does not read: then there is no answer either.
        let _ = self.input.write_all(request.as_bytes()).and_then(|()| self.input.flush());
        let answer = self.answer()?;
        match answer.split_once(' ') {
            None => Ok(None),
            Some(("ok", statistics)) => statistics.parse().map(Some).map_err(Failure::Refused),
            Some((_, why)) => Err(Failure::Refused(why.replace("\\n", "\n"))),
        }
    }

    fn answer(&mut self) -> Result<String, Failure> {
        match self.answers.recv_timeout(Duration::from_secs(PATIENCE)) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                let _ = self.child.wait();
                Err(Failure::Timeout)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Failure::Crash(self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string())))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to do any longer, if it is not gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child does: compiles each shader that it reads, and says how it went.
pub fn serve(
    compile: impl Fn(&str, &[wgpu::BindGroupLayoutEntry]) -> Result<Option<Statistics>, String>,
) -> Result<(), String> {
    say(READY)?;
    let mut input = io::stdin().lock();
    loop {
        let mut head = String::new();
        if input.read_line(&mut head).map_err(|e| e.to_string())? == 0 {
            return Ok(());
        }
        let (layout, length) = head.trim_end().split_once(' ').ok_or_else(|| format!("a request of `{head}`"))?;
        let mut wgsl = vec![0; length.parse().map_err(|e| format!("{length}: {e}"))?];
        input.read_exact(&mut wgsl).map_err(|e| e.to_string())?;
        let wgsl = String::from_utf8(wgsl).map_err(|e| e.to_string())?;
        match compile(&wgsl, &decode(layout)?) {
            Ok(None) => say("ok")?,
            Ok(Some(statistics)) => say(&format!("ok {statistics}"))?,
            Err(e) => say(&format!("no {}", e.replace('\n', "\\n")))?,
        }
    }
}

/// Says a line to the parent.
pub fn say(line: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    writeln!(output, "{ANSWER}{line}").and_then(|()| output.flush()).map_err(|e| e.to_string())
}

/// A layout as text: the number of each binding, and a letter for its type.
fn encode(layout: &[wgpu::BindGroupLayoutEntry]) -> String {
    let letter = |entry: &wgpu::BindGroupLayoutEntry| match entry.ty {
        wgpu::BindingType::Buffer { has_dynamic_offset: true, .. } => 'd',
        wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, .. } => 'u',
        wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Storage { read_only: true }, .. } => 'r',
        _ => 'w',
    };
    layout.iter().map(|entry| format!("{}{}", entry.binding, letter(entry))).collect::<Vec<_>>().join(",")
}

fn decode(text: &str) -> Result<Vec<wgpu::BindGroupLayoutEntry>, String> {
    let entry = |text: &str| {
        let (binding, letter) = text.split_at(text.len().saturating_sub(1));
        let ty = match letter {
            "u" | "d" => wgpu::BufferBindingType::Uniform,
            "r" | "w" => wgpu::BufferBindingType::Storage { read_only: letter == "r" },
            _ => return Err(format!("a binding of `{text}`")),
        };
        Ok(wgpu::BindGroupLayoutEntry {
            binding: binding.parse().map_err(|e| format!("{binding}: {e}"))?,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: letter == "d", min_binding_size: None },
            count: None,
        })
    };
    text.split(',').map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_the_layout_of_the_crate() {
        for shader in wgpu_norm::shaders::all() {
            let layout = shader.bind_group_layout();
            assert_eq!(decode(&encode(&layout)).as_ref(), Ok(&layout), "{shader}");
        }
        assert!(decode("1x").is_err() && decode("").is_err());
    }
}
