//! Reading an object of an object store without a consumer.

use async_nats::jetstream::object_store::ObjectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest as _, Sha256};

use super::{Link, direct};

/// The object's bytes; `None` if there is no such object or it is larger than `bytes_max`.
pub(super) async fn read(
    link: &Link,
    store: &str,
    name: &str,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, String> {
    let stream = format!("OBJ_{store}");
    let about = format!("$O.{store}.M.{}", URL_SAFE.encode(name));
    let Some(about) = direct::newest(link, &stream, &about).await? else { return Ok(None) };
    let info: ObjectInfo = serde_json::from_slice(&about.payload).map_err(|error| error.to_string())?;
    if info.deleted || info.size > bytes_max {
        return Ok(None);
    }
    let chunks = format!("$O.{store}.C.{}", info.nuid);
    let (mut bytes, mut from) = (Vec::with_capacity(info.size), 1);
    while bytes.len() < info.size {
        let page = direct::page(link, &stream, &chunks, from).await?;
        let last = page.messages.last().ok_or("a part of the object is missing")?;
        from = last.seq + 1;
        page.messages.iter().for_each(|chunk| bytes.extend_from_slice(&chunk.payload));
    }
    let digest = format!("SHA-256={}", URL_SAFE.encode(Sha256::digest(&bytes)));
    if bytes.len() != info.size || info.digest.is_some_and(|stored| stored != digest) {
        return Err("the object is damaged".to_owned());
    }
    Ok(Some(bytes))
}
