//! Records there and back, and those that are not what they say.

use super::*;
use crate::seal::{Wrapper, day_key_id};
use crate::secret::Secret;

fn ring() -> (KeyRing, String) {
    let (wrapper, id) = (Wrapper::new(&Secret::new([5; 32])), day_key_id(1_795_000_000_000));
    let mut ring = KeyRing::default();
    ring.insert(id.clone(), wrapper.open(&id, &wrapper.make(&id).unwrap()).unwrap());
    (ring, id)
}

fn stored() -> Stored {
    Stored {
        about: About {
            request: RequestId::new(),
            project: "acme".into(),
            id: "resp_1".into(),
            status: Status::Completed,
            model: "fast".into(),
            created_ms: 7,
            background: true,
            stream: false,
            token: Some(Token(3)),
        },
        input: Bytes::from_static(br#"{"input":"hi"}"#),
        response: Bytes::from_static(br#"{"output":[{"type":"message","id":"msg_1"}]}"#),
        end: Bytes::from_static(b"{}"),
    }
}

#[test]
fn what_is_sealed_opens_under_its_own_key_alone() {
    let ((ring, id), stored) = (ring(), stored());
    let request = stored.about.request;
    let sealed = stored.seal(&ring, &id).unwrap();
    let open = |key: Key, request| Stored::open(&key, request, &sealed, &ring);
    assert_eq!(open(Key::new("acme", "resp_1"), request).unwrap(), stored);
    assert!(open(Key::new("acme", "resp_2"), request).is_err());
    assert!(open(Key::new("other", "resp_1"), request).is_err());
    assert!(open(Key::new("acme", "resp_1"), RequestId::new()).is_err());
    assert!(!sealed.windows(3).any(|part| part == b"msg"));
    assert_eq!(stored.items().len(), 2);
}

#[test]
fn values_say_where_the_record_is() {
    let request = RequestId::new();
    for held in [Held::Sealed(request, b"\x00x"), Held::Object(request, "name")] {
        assert_eq!(Held::read(&held.value()).unwrap(), held);
    }
    for bad in [&b""[..], &[1, 2], &[9; 30]] {
        assert!(Held::read(bad).is_err());
    }
}

#[test]
fn any_id_makes_a_key() {
    assert_eq!(Key::new("acme", "resp_0-A").to_string(), "acme.resp_0-A");
    for strange in ["", "a.b", "a b", "*", ">", &"x".repeat(200)] {
        let key = Key::new("acme", strange).to_string();
        assert!(key.starts_with("acme.hash=") && key.len() == 74, "{key}");
    }
}
