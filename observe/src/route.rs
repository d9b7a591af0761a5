//! Which path is answered by what.

use hyper::Method;

/// A request that there is an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Metrics,
    Live,
    Ready,
    Host,
    /// Anything but GET and HEAD.
    WrongMethod,
    Unknown,
}

/// What the answer to an unknown path says.
pub(crate) const PATHS: &str = "/metrics\n/health/live\n/health/ready\n/host\n";

pub(crate) fn route(method: &Method, path: &str) -> Route {
    let route = match path {
        "/metrics" => Route::Metrics,
        "/health/live" => Route::Live,
        "/health/ready" => Route::Ready,
        "/host" => Route::Host,
        _ => return Route::Unknown,
    };
    if matches!(*method, Method::GET | Method::HEAD) { route } else { Route::WrongMethod }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_and_only_read() {
        assert_eq!(route(&Method::GET, "/metrics"), Route::Metrics);
        assert_eq!(route(&Method::HEAD, "/health/live"), Route::Live);
        assert_eq!(route(&Method::GET, "/health/ready"), Route::Ready);
        assert_eq!(route(&Method::GET, "/host"), Route::Host);
        assert_eq!(route(&Method::POST, "/metrics"), Route::WrongMethod);
        for path in ["/", "", "/metrics/", "/Metrics", "/health", "//metrics"] {
            assert_eq!(route(&Method::GET, path), Route::Unknown, "{path}");
        }
    }
}
