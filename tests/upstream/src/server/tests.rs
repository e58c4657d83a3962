//! How calls end, seen from outside.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn open(upstream: &Upstream, model: &str) -> TcpStream {
    let body = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "x"}]});
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(upstream.addr()).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn end(upstream: &Upstream) -> Ended {
    upstream.calls().wait(Duration::from_secs(5), |calls| calls.first()?.ended).await.unwrap()
}

#[tokio::test]
async fn sees_the_caller_go() {
    let upstream = Upstream::start("127.0.0.1:0", Options::default()).await.unwrap();
    let mut caller = open(&upstream, "hang-2").await;
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("höher") {
        assert!(caller.read_buf(&mut text).await.unwrap() > 0);
    }
    drop(caller);
    assert_eq!(end(&upstream).await, Ended::Dropped);
    assert_eq!(upstream.calls().all()[0].output_tokens, 2);
}

#[tokio::test]
async fn drops_the_connection_where_the_script_says() {
    let upstream = Upstream::start("127.0.0.1:0", Options::default()).await.unwrap();
    let mut text = String::new();
    open(&upstream, "cut").await.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("höher") && !text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(end(&upstream).await, Ended::Cut);
}
