//! Routes looked up before. They are asked for again when older than the refresh interval, in the next call that
//! needs them; until the answer is there, and when no name server answers, the old one is used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::topic_route::TopicRoute;

/// Topics kept. When full, all are forgotten and asked for again as needed: a client that uses so many topics is
/// walking through names.
const TOPICS_MAX: usize = 16_384;

#[derive(Debug)]
pub(crate) struct RouteCache {
    refresh_after: Duration,
    routes: Mutex<BTreeMap<String, Cached>>,
}

#[derive(Debug)]
struct Cached {
    route: Arc<TopicRoute>,
    /// When the route is to be asked for again.
    stale_at: Instant,
}

/// What the cache says about a topic.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// Use it.
    Fresh(Arc<TopicRoute>),
    /// Ask for it again; if that fails, use this. Said to one caller an interval, the others go on with the old one.
    Stale(Arc<TopicRoute>),
    /// Ask for it.
    Missing,
}

impl RouteCache {
    pub(crate) fn new(refresh_after: Duration) -> Self {
        Self { refresh_after, routes: Mutex::default() }
    }

    pub(crate) fn look_up(&self, topic: &str) -> Lookup {
        let mut routes = self.routes();
        let Some(cached) = routes.get_mut(topic) else { return Lookup::Missing };
        let now = Instant::now();
        if now < cached.stale_at {
            return Lookup::Fresh(Arc::clone(&cached.route));
        }
        cached.stale_at = now + self.refresh_after;
        Lookup::Stale(Arc::clone(&cached.route))
    }

    pub(crate) fn insert(&self, route: TopicRoute) -> Arc<TopicRoute> {
        let route = Arc::new(route);
        let cached = Cached { route: Arc::clone(&route), stale_at: Instant::now() + self.refresh_after };
        let mut routes = self.routes();
        if routes.len() >= TOPICS_MAX {
            routes.clear();
        }
        routes.insert(route.topic().to_owned(), cached);
        route
    }

    /// The topic is gone.
    pub(crate) fn remove(&self, topic: &str) {
        self.routes().remove(topic);
    }

    /// A broker of the route did not answer: have it asked for again at the next use.
    pub(crate) fn expire(&self, topic: &str) {
        if let Some(cached) = self.routes().get_mut(topic) {
            cached.stale_at = Instant::now();
        }
    }

    /// All routes at hand, in order of topic.
    pub(crate) fn all(&self) -> Vec<Arc<TopicRoute>> {
        self.routes().values().map(|cached| Arc::clone(&cached.route)).collect()
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<String, Cached>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::TopicRouteData;

    use super::*;

    fn cache_with(topic: &str) -> RouteCache {
        let cache = RouteCache::new(Duration::from_secs(30));
        let data = TopicRouteData::decode(br#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}"#).unwrap();
        cache.insert(TopicRoute::new(topic, data));
        cache
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_is_fresh_for_the_interval_and_then_stale_for_one_caller() {
        let cache = cache_with("T");
        assert!(matches!(cache.look_up("T"), Lookup::Fresh(_)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(matches!(cache.look_up("T"), Lookup::Stale(_)));
        assert!(matches!(cache.look_up("T"), Lookup::Fresh(_)), "one caller refreshes, the others go on");
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_route_is_stale_at_once_and_a_removed_one_missing() {
        let cache = cache_with("T");
        cache.expire("T");
        assert!(matches!(cache.look_up("T"), Lookup::Stale(_)));
        cache.remove("T");
        assert!(matches!(cache.look_up("T"), Lookup::Missing));
    }
}
