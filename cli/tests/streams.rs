//! `-` in place of files, and what else is printed: hints, and colours on a terminal.

mod common;

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use common::{Folder, f32s, program, some};
use ndarray::ArrayD;
use ndarray_npy::write_npy;

/// Runs the program with these bytes on standard input; `-` stands for it.
fn pipe(folder: &Folder, arguments: &str, input: &[u8]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments.split_whitespace()).current_dir(folder.path("")).env_remove("RUST_LOG");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
    // A program that refuses the command line does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("a process")
}

/// Refused by a line with these words, with nothing on standard output.
fn refused(output: &Output, code: i32, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(words) && stderr.lines().count() == 1, "no {words:?} in {stderr:?}");
    assert!(output.stdout.is_empty(), "{words}");
}

#[test]
fn streams_have_the_bytes_and_the_lines_of_files() {
    let folder = Folder::new();
    let tensors = [("input", f32s(&[4, 6], &some(24))), ("weight", f32s(&[6], &some(6))), ("more", f32s(&[0], &[]))];
    folder.save("in.safetensors", &tensors);
    write_npy(folder.path("in.npy"), &ArrayD::from_shape_vec(vec![4, 6], some(24)).expect("an array")).expect("in.npy");
    write_npy(folder.path("w.npy"), &ArrayD::from_shape_vec(vec![6], some(6)).expect("an array")).expect("w.npy");
    // All but the times, which differ.
    let untimed = |text: &str| {
        let words = text.split_whitespace().filter(|word| word.parse::<f64>().is_err());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    for (format, options) in [("safetensors", "layer-norm"), ("npy", "rms-norm --weight w.npy")] {
        let (input, output) = (format!("in.{format}"), format!("out.{format}"));
        let by_file = folder.run(&format!("{options} --check --input {input} --output {output}")).ok();
        let expected = folder.files()[&output].clone();
        let bytes = fs::read(folder.path(&input)).expect("the input");
        for input in ["-", &input] {
            let run = pipe(&folder, &format!("{options} --check --input {input} --output -"), &bytes);
            let stderr = String::from_utf8(run.stderr).expect("UTF-8");
            assert!(run.status.success() && run.stdout == expected, "{format} from {input}: {stderr}");
            assert_eq!(untimed(&stderr), untimed(&by_file.stdout), "{format} from {input}");
        }
        let run = pipe(&folder, &format!("{options} --input - --output again.{format}"), &bytes);
        assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
        assert!(folder.files()[&format!("again.{format}")] == expected, "{format}");
    }
    // A file has the format of its extension, whatever comes in.
    let npy = fs::read(folder.path("in.npy")).expect("in.npy");
    assert!(pipe(&folder, "layer-norm --input - --output all.safetensors", &npy).status.success());
    assert_eq!(folder.load("all.safetensors").keys().collect::<Vec<_>>(), ["mean", "output", "rstd"]);
}

#[test]
fn a_stream_that_is_no_file_of_tensors_is_refused() {
    let folder = Folder::new();
    write_npy(folder.path("w.npy"), &ArrayD::<f32>::ones(vec![6])).expect("w.npy");
    folder.save("x.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let tensors = fs::read(folder.path("x.safetensors")).expect("x.safetensors");
    let npy = fs::read(folder.path("w.npy")).expect("w.npy");
    let through = "layer-norm --input - --output -";
    for (input, words) in [
        (&b""[..], "standard input: empty, expected a .safetensors or .npy file"),
        (b"<html>404</html>", "standard input: begins with \"<html>404</html>\": no .safetensors or .npy file"),
        (&npy[..60], "standard input: 60 bytes, shorter than its header"),
        (&tensors[..30], "standard input: 30 bytes, shorter than its header"),
    ] {
        refused(&pipe(&folder, through, input), 2, words);
    }
    let beside = "--weight: only beside a .npy input, a .safetensors has its own";
    refused(&pipe(&folder, &format!("{through} --weight w.npy"), &tensors), 2, beside);
    let held = "--dtype: f16, expected f32 in a .npy file: standard output";
    refused(&pipe(&folder, &format!("{through} --dtype f16"), &npy), 2, held);
    refused(&pipe(&folder, "batch-norm --input - --output -", &npy), 2, "standard input: running_mean: missing");
}

#[test]
fn a_failed_check_leaves_standard_output_empty() {
    let folder = Folder::new();
    // Squares beyond f32.
    let row: Vec<f32> = (0..8).map(|i| if i % 2 == 0 { 1e30 } else { -1e30 }).collect();
    folder.save("x.safetensors", &[("input", f32s(&[1, 8], &row))]);
    let run = pipe(&folder, "layer-norm --input x.safetensors --output - --check", b"");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code() == Some(1) && run.stdout.is_empty(), "{stderr}");
    assert!(stderr.contains(": FAILED\n") && stderr.contains("standard output was not written"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_a_failure() {
    let folder = Folder::new();
    folder.save("x.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    for arguments in ["l2-norm --device reference --input x.safetensors --output -", "report --no-bench", "adapters"] {
        let script = format!("exec \"$0\" {arguments} > /dev/full");
        let run = folder.finish(Command::new("sh").args(["-c", &script]).arg(program()));
        assert_eq!(run.code, Some(1), "{arguments}: {run:?}");
        assert!(run.stderr.contains("standard output: No space left on device"), "{arguments}: {run:?}");
    }
}

#[test]
fn a_tensor_with_nearly_the_right_name_gets_a_hint() {
    let folder = Folder::new();
    let vector = || f32s(&[6], &some(6));
    let input = |name| (name, f32s(&[4, 6], &some(24)));
    for (name, meant) in [("inputs", ", did you mean inputs?"), ("Imput", ", did you mean Imput?"), ("output", "")] {
        folder.save("x.safetensors", &[input(name), ("b", vector())]);
        let mut names = [name, "b"];
        names.sort_unstable();
        let line = format!("x.safetensors: input: missing; the file has {}{meant}\n", names.join(", "));
        folder.fails(2, "l2-norm --input x.safetensors --output y.safetensors", &[&line]);
    }
    folder.save("x.safetensors", &[input("input"), ("running_mean", vector()), ("runing_var", vector())]);
    let words = ["running_var: missing, inference reads it; the file has ", ", did you mean runing_var?\n"];
    folder.fails(2, "batch-norm --input x.safetensors --output y.safetensors", &words);
    // Another tensor of this program is none.
    folder.save("x.safetensors", &[input("input"), ("grad_input", vector())]);
    let words = ["grad_output: missing, --backward reads it; the file has grad_input, input\n"];
    folder.fails(2, "l2-norm --backward --input x.safetensors --output y.safetensors", &words);

    // What is optional is left out, and the lines of the result stay as they are.
    folder.save("x.safetensors", &[input("input"), ("wieght", vector()), ("beta", vector())]);
    let run = folder.run("layer-norm --input x.safetensors --output y.safetensors");
    assert_eq!((run.code, &*run.stderr), (Some(0), "wieght is not used, did you mean weight?\n"), "{run:?}");
    assert_eq!(run.stdout.lines().nth(1), Some("not used: beta, wieght"));
}

#[test]
fn a_command_or_option_that_is_nearly_right_gets_a_hint() {
    let folder = Folder::new();
    for (arguments, meant) in [
        ("adapter", "adapters"),
        ("raport", "report"),
        ("conformanse", "conformance"),
        ("bench --quik", "--quick"),
        ("report --no-bnech", "--no-bench"),
        ("conformance --op layernorm", "layer_norm"),
    ] {
        folder.fails(2, arguments, &[&format!("did you mean {meant}?")]);
    }
}

/// `script` runs a program on a terminal. Where it makes none, `cargo xtask test` leaves out tests named `a_terminal_`.
#[cfg(target_os = "linux")]
#[test]
fn only_a_terminal_gets_colours_and_only_if_it_wants_them() {
    let folder = Folder::new();
    let command = format!("'{}' --help", program().display());
    let terminal = |no_colour: Option<&str>| {
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        folder.finish(script.envs(no_colour.map(|value| ("NO_COLOR", value))))
    };
    let coloured = |run: &common::Run| {
        assert!(run.code == Some(0) && run.stdout.contains("layer-norm"), "{run:?}");
        run.stdout.contains('\u{1b}')
    };
    assert!(coloured(&terminal(None)));
    assert!(!coloured(&terminal(Some("1"))));
    assert!(!coloured(&folder.run("--help")));
}

/// Neither are tensors for a terminal, nor does it have any.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_no_place_for_tensors() {
    let folder = Folder::new();
    folder.save("x.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    for (arguments, words) in [
        ("l2-norm --input x.safetensors --output -", "--output: standard output is a terminal"),
        ("l2-norm --input - --output y.safetensors", "standard input: a terminal, expected a file or a pipe"),
    ] {
        let command = format!("'{}' {arguments} < /dev/tty", program().display());
        let run = folder.finish(Command::new("script").args(["-qec", &command, "/dev/null"]));
        // On a terminal both streams are one.
        assert!(run.code == Some(2) && run.stdout.contains(words), "{run:?}");
    }
}
