//! What the description of every route has in common: the errors that any of them may answer with, and how to call.

use http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::auth::{Guard, Need};
use super::problem::{ErrorBody, ErrorDetail};

const ERROR: &str = "ErrorBody";

/// The document before any route is in it.
pub(super) fn base() -> OpenApi {
    let mut components = Components::new();
    components.schemas.insert(ERROR.to_owned(), ErrorBody::schema());
    components.schemas.insert(ErrorDetail::name().into_owned(), ErrorDetail::schema());
    for guard in Guard::ALL {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(guard.description().to_owned());
        components.add_security_scheme(guard.scheme(), SecurityScheme::Http(scheme));
    }
    let mut info = Info::new("Forebay control plane", env!("CARGO_PKG_VERSION"));
    info.description =
        Some("Providers, models, tenants, keys, credentials, configuration and the audit log.".into());
    OpenApiBuilder::new().info(info).paths(Paths::new()).components(Some(components)).build()
}

/// The document with what its routes have in common.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let guard = Guard::of(path);
            if let Some(guard) = guard {
                let scopes: Vec<String> = match guard.need(&method, path) {
                    Need::Developer(scope) | Need::DeveloperOrAdmin(scope) => vec![scope.as_str().to_owned()],
                    Need::Session(scope) => scope.map(ToOwned::to_owned).into_iter().collect(),
                    Need::Read | Need::Write | Need::ProjectOrNobody | Need::ProjectOrDeveloper(_) => {
                        Vec::new()
                    }
                };
                let mut needed = vec![SecurityRequirement::new(guard.scheme(), scopes)];
                match guard.need(&method, path) {
                    Need::ProjectOrNobody => needed.push(SecurityRequirement::default()),
                    Need::ProjectOrDeveloper(scope) => {
                        needed.push(SecurityRequirement::new(Guard::Developer.scheme(), [scope.as_str()]));
                    }
                    Need::DeveloperOrAdmin(_) => {
                        needed.push(SecurityRequirement::new(Guard::Admin.scheme(), Vec::<String>::new()));
                    }
                    Need::Read | Need::Write | Need::Developer(_) | Need::Session(_) => {}
                }
                operation.security = Some(needed);
            }
            errors(operation, guard, path, &method);
        }
    }
    document
}

/// The operations of a path.
pub(crate) fn operations(item: &mut PathItem) -> Vec<(Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?))).collect()
}

fn errors(operation: &mut Operation, guard: Option<Guard>, path: &str, method: &Method) {
    let mut add = |status: u16, description: &str| {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| {
            let content =
                ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(ERROR)))).build();
            RefOr::T(
                ResponseBuilder::new().description(description).content("application/json", content).build(),
            )
        });
    };
    add(400, "The path, query or body cannot be used");
    if guard.is_some() {
        add(401, "No credential, or one that is wrong, revoked or over");
        add(403, "The credential is valid and may not do this");
    }
    if path.contains('{') || *method != Method::GET {
        add(404, "There is no such thing, or it is not yours");
    }
    if *method != Method::GET {
        add(409, "It is in the way of something that is there");
        add(413, "The body is too large");
        add(415, "The body is not JSON");
    }
    add(503, "The database or NATS does not answer at present");
}
