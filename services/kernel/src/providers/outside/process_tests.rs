//! Scripts and shells in a real sandbox.

use super::process::SandboxConfig;
use super::*;

fn sandboxed(change: impl FnOnce(&mut SandboxConfig)) -> OutwardCalls {
    let mut sandbox = SandboxConfig::new("/usr/bin/bwrap".into());
    change(&mut sandbox);
    OutwardCalls::new(&KernelConfig { sandbox: Some(sandbox), ..KernelConfig::embedded(None, None) }).unwrap()
}

async fn shell(outside: &OutwardCalls, command: &str, more: Value) -> Result<Value, Fault> {
    let mut arguments = json!({ "command": command });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made(outside, &call(Outward::Shell, arguments)).await
}

/// Example `run-shell-stdin-and-arguments`.
#[actix_web::test]
async fn a_shell_gets_its_input_arguments_and_environment_and_gives_what_is_asked() {
    let outside = sandboxed(|_| {});
    let command = "input=$(cat)\necho \"STDIN was: $input\"\necho \"ARGS are $1 $2\"\necho $GREETING >&2\n";
    let more = |wanted: &str| json!({ "stdin": "Hello World", "arguments": ["Foo", "Bar"], "environment": { "GREETING": "hi" }, "return": wanted });
    assert_eq!(
        shell(&outside, command, more("stdout")).await.unwrap(),
        json!("STDIN was: Hello World\nARGS are Foo Bar\n")
    );
    assert_eq!(shell(&outside, command, more("stderr")).await.unwrap(), json!("hi\n"));
    assert_eq!(shell(&outside, command, more("none")).await.unwrap(), Value::Null);
    let all = shell(&outside, "echo out; echo err >&2; exit 3", json!({ "return": "all" })).await.unwrap();
    assert_eq!(all, json!({ "code": 3, "stdout": "out\n", "stderr": "err\n" }));
    assert_eq!(shell(&outside, "exit 3", json!({ "return": "code" })).await.unwrap(), json!(3));
    let fault = shell(&outside, "echo why >&2; exit 3", json!({})).await.unwrap_err();
    assert!(fault.kind.ends_with("/runtime") && fault.detail.unwrap().contains("exit code 3: why"));
    let at_once = shell(&outside, "sleep 5", json!({ "unawaited": { "output": { "a": 1 } } })).await.unwrap();
    assert_eq!(at_once, json!({ "a": 1 }));
}

/// Example `run-script-with-stdin-and-arguments`.
#[actix_web::test]
async fn scripts_run_in_their_language() {
    let outside = sandboxed(|_| {});
    let code = "import { readFileSync } from 'node:fs';\nconst stdin = readFileSync(process.stdin.fd, 'utf8');\n\
                const [_, __, arg] = process.argv;\nconsole.log(stdin, arg, process.env.foo);\n";
    let arguments = json!({
        "language": "js", "code": code, "stdin": "Hello Workflow", "arguments": ["hello"], "environment": { "foo": "bar" },
    });
    let said = made(&outside, &call(Outward::Script, arguments)).await;
    assert_eq!(said.unwrap(), json!("Hello Workflow hello bar\n"));
    let python = json!({ "language": "python", "code": "import sys\nprint(sys.argv[1:], sys.stdin.read())", "stdin": "in", "arguments": ["a", "b"] });
    assert_eq!(made(&outside, &call(Outward::Script, python)).await.unwrap(), json!("['a', 'b'] in\n"));
}

#[actix_web::test]
async fn the_sandbox_shows_nothing_of_the_machine_and_lets_nothing_out() {
    let site = Site::start().await;
    let outside = sandboxed(|_| {});
    for command in [
        "touch /usr/x".to_owned(),
        "touch /x".to_owned(),
        "cat /etc/passwd".to_owned(),
        format!("exec 3<>/dev/tcp/127.0.0.1/{}", site.port),
        format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {}), 2)'", site.port),
        "ls /root".to_owned(),
        "ls /home".to_owned(),
        "mount -t tmpfs none /usr".to_owned(),
    ] {
        assert_ne!(shell(&outside, &command, json!({ "return": "code" })).await.unwrap(), json!(0), "{command}");
    }
    let seen = shell(&outside, "env; ls /proc | grep -c '^[0-9]'", json!({})).await.unwrap();
    let seen = seen.as_str().unwrap();
    assert!(!seen.contains("ORRERY") && !seen.contains("CARGO"), "{seen}");
    assert_eq!(shell(&outside, "echo x > /tmp/y && cat /tmp/y", json!({})).await.unwrap(), json!("x\n"));
}

#[actix_web::test]
async fn a_process_ends_at_its_limits() {
    let outside = sandboxed(|sandbox| {
        sandbox.time_s_max = 2;
        sandbox.output_bytes_max = 10_000;
        sandbox.memory_bytes_max = 64 << 20;
    });
    let fault = shell(&outside, "sleep 60", json!({})).await.unwrap_err();
    assert_eq!((fault.status, fault.title.as_deref()), (408, Some("deadline_exceeded")));
    let fault = shell(&outside, "while :; do echo yyyyyyyyyyyyyyyyyyyy; done", json!({})).await.unwrap_err();
    assert_eq!(fault.title.as_deref(), Some("payload_too_large"));
    let hungry = "python3 -c 'x = bytearray(512 << 20)'";
    assert_ne!(shell(&outside, hungry, json!({ "return": "code" })).await.unwrap(), json!(0));
    let hoard = "head -c 200000000 /dev/zero > /tmp/x";
    assert_ne!(shell(&outside, hoard, json!({ "return": "code" })).await.unwrap(), json!(0));
}

#[actix_web::test]
async fn without_a_sandbox_nothing_runs() {
    let fault = shell(&outside(), "true", json!({})).await.unwrap_err();
    assert!(fault.kind.ends_with("/configuration") && fault.detail.unwrap().contains("kernel.sandbox"));
    let missing = sandboxed(|sandbox| sandbox.bubblewrap = "/nowhere/bwrap".into());
    assert!(shell(&missing, "true", json!({})).await.unwrap_err().detail.unwrap().contains("cannot be used"));
}
