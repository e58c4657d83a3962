//! Whatever a stranger sends gets a clear refusal: nothing stored, nothing called, nothing billed, memory bounded.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream;
use tests::client::{Answer, chat};
use tests::nats;
use tests::setup::Setup;
use tests::stack::Stack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;
/// Of the whole `up`: what it needs anyway, and one limit of bodies in flight.
const RSS_MAX: u64 = 400 << 20;

fn table() -> Vec<(&'static str, Vec<u8>, u16)> {
    let deep = format!(
        r#"{{"model":"ok","messages":[{{"role":"user","content":"x"}}],"x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let not_utf8 =
        [&br#"{"model":"ok","messages":[{"role":"user","content":""#[..], b"\xff\xfe", br#""}]}"#].concat();
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", text(""), 400),
        ("truncated", text(r#"{"model":"ok","messages":[{"role":"us"#), 400),
        ("no object", text(r#"["model"]"#), 400),
        ("null", text("null"), 400),
        ("trailing text", text(r#"{"model":"ok","messages":[{"role":"user","content":"x"}]} x"#), 400),
        ("model missing", text(r#"{"messages":[{"role":"user","content":"x"}]}"#), 400),
        ("model a number", text(r#"{"model":7,"messages":[{"role":"user","content":"x"}]}"#), 400),
        ("model empty", text(r#"{"model":"","messages":[{"role":"user","content":"x"}]}"#), 400),
        ("messages missing", text(r#"{"model":"ok"}"#), 400),
        ("messages no list", text(r#"{"model":"ok","messages":"x"}"#), 400),
        ("messages empty", text(r#"{"model":"ok","messages":[]}"#), 400),
        (
            "stream no bool",
            text(r#"{"model":"ok","messages":[{"role":"user","content":"x"}],"stream":"yes"}"#),
            400,
        ),
        (
            "stream options no object",
            text(
                r#"{"model":"ok","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":7}"#,
            ),
            400,
        ),
        ("nested 10,000 deep", deep.into_bytes(), 400),
        ("not UTF-8", not_utf8, 400),
    ]
}

fn refused(what: &str, answer: &Answer, status: u16) -> Result<()> {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    let error = &answer.json()?["error"];
    for field in ["message", "type", "code", "request_id"] {
        assert!(
            error[field].as_str().is_some_and(|t| !t.is_empty()),
            "{what}: {field} is missing in {error}"
        );
    }
    assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
    Ok(())
}

async fn bodies_that_are_no_requests(stack: &Stack) -> Result<()> {
    for (what, body, status) in table() {
        refused(what, &stack.client.send(stack.client.post(body)).await?, status)?;
    }
    let plain = stack.client.http.post(format!("{}/v1/chat/completions", stack.client.base));
    let plain = plain.bearer_auth(&stack.client.key).header("content-type", "text/plain");
    let answer = stack.client.send(plain.body(chat("ok").to_string())).await?;
    assert!([400, 415, 200].contains(&answer.status), "{}", answer.text());
    Ok(())
}

async fn keys_that_open_nothing(stack: &Stack) -> Result<()> {
    let long = "k".repeat(4000);
    for key in ["", "sk-nobody-has-this-key", "*", "_projected", "..", "a b", &long] {
        let answer = stack.client.with_key(key).chat(&chat("ok")).await?;
        assert_eq!(answer.code()?, "invalid_api_key", "{key}");
        refused(key, &answer, 401)?;
        assert!(key.len() < 16 || !answer.text().contains(key), "the error shows the key");
    }
    let url = format!("{}/v1/chat/completions", stack.client.base);
    let keyless = stack.client.http.post(url).header("content-type", "application/json").body("{");
    refused("no key", &stack.client.send(keyless).await?, 401)
}

async fn bodies_that_are_too_large(stack: &Stack) -> Result<()> {
    let chunk = Bytes::from(vec![b' '; MIB]);
    let many = (0..6).map(|n| {
        let chunk = chunk.clone();
        async move {
            // Half of them say how long they are, half do not.
            let endless = reqwest::Body::wrap_stream(stream::iter(
                (0..200).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
            ));
            let mut request = stack.client.post(endless);
            if n % 2 == 0 {
                request = request.header("content-length", 200 * MIB);
            }
            match stack.client.send(request).await {
                Ok(answer) => refused("200 MiB", &answer, 413),
                // The answer came before the body was out, and the connection was closed behind it.
                Err(error) if format!("{error:#}").contains("error sending request") => Ok(()),
                Err(error) => Err(error),
            }
        }
    });
    try_join_all(many).await?;
    Ok(())
}

async fn connect(stack: &Stack) -> Result<TcpStream> {
    Ok(TcpStream::connect(("127.0.0.1", stack.listen[0])).await?)
}

async fn said(mut stream: TcpStream) -> Result<String> {
    let mut text = Vec::new();
    // A connection that is reset after its answer has answered all the same.
    drop(tokio::time::timeout(Duration::from_secs(75), stream.read_to_end(&mut text)).await?);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn a_body_that_stops_coming(stack: &Stack) -> Result<()> {
    let mut stream = connect(stack).await?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"model\":",
        stack.client.key
    );
    stream.write_all(head.as_bytes()).await?;
    let started = Instant::now();
    let text = said(stream).await?;
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    Ok(())
}

async fn headers_that_do_not_end(stack: &Stack) -> Result<()> {
    let mut stream = connect(stack).await?;
    stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n").await?;
    for n in 0..20_000 {
        if stream.write_all(format!("x-{n}: {}\r\n", "y".repeat(100)).as_bytes()).await.is_err() {
            break;
        }
    }
    let text = said(stream).await?;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    let mut slow = connect(stack).await?;
    slow.write_all(b"GET /health HTTP/1.1\r\nhost:").await?;
    let started = Instant::now();
    said(slow).await?;
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    Ok(())
}

async fn paths_that_are_too_long(stack: &Stack) -> Result<()> {
    let answer = stack.client.get(&format!("/v1/models?{}", "a".repeat(20_000))).await?;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    Ok(())
}

#[tokio::test]
async fn alone_bad_input_is_refused_and_costs_nothing() -> Result<()> {
    let mut stack = Stack::up(Setup::default()).await?;
    assert_eq!(stack.client.chat(&chat("ok")).await?.status, 200);
    let js = nats::connect(&stack.nats_url()?).await?;
    let stored = js.get_stream("REQUESTS").await?.info().await?.state.messages;
    let called = stack.primary.calls().len();

    bodies_that_are_no_requests(&stack).await?;
    keys_that_open_nothing(&stack).await?;
    bodies_that_are_too_large(&stack).await?;
    paths_that_are_too_long(&stack).await?;
    tokio::try_join!(a_body_that_stops_coming(&stack), headers_that_do_not_end(&stack))?;

    // The content type is the provider's to judge, so that one request may have gone through.
    let now = js.get_stream("REQUESTS").await?.info().await?.state.messages;
    assert!(now <= stored + 1, "{} requests were stored", now - stored);
    assert!(stack.primary.calls().len() <= called + 1);
    let rss = stack.process("up")?.rss_max_bytes()?;
    assert!(rss < RSS_MAX, "{} MiB", rss >> 20);
    assert_eq!(stack.client.chat(&chat("ok")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_model_that_is_not_configured_is_not_found() -> Result<()> {
    let setup = Setup::default();
    let stack = Stack::up(Setup { wildcard: false, ..setup }).await?;
    let answer = stack.client.chat(&chat("no-such-model")).await?;
    assert_eq!(answer.code()?, "model_not_found");
    refused("model", &answer, 404)?;
    assert_eq!(stack.client.chat(&chat("renamed")).await?.status, 200);
    assert_eq!(stack.primary.calls().len(), 1);
    Ok(())
}
