//! Handles of all series of a metric whose label values are known.

/// Handles by the value of a label, made once. A look-up makes no key, takes no lock and allocates
/// nothing: it compares short texts, one for each known value at most.
///
/// # Examples
/// ```
/// use lightning_db_ops::metrics::{Format, Labelled, MetricsOptions};
/// use metrics::counter;
///
/// let metrics = MetricsOptions::new().build()?;
/// let make = |outcome| counter!("jobs_total", "outcome" => outcome);
/// let jobs = metrics.with(|| Labelled::new(&["ok", "error"], make));
/// let outcome = String::from("error");
/// jobs.get(&outcome).expect("it is known").increment(1);
/// assert!(jobs.get("lost").is_none());
/// assert!(metrics.render(Format::Text).contains("jobs_total{outcome=\"error\"} 1"));
/// # Ok::<(), lightning_db_ops::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Labelled<H> {
    handles: Box<[(&'static str, H)]>,
}

impl<H> Labelled<H> {
    /// A handle for each of these values.
    pub fn new(values: &[&'static str], make: impl Fn(&'static str) -> H) -> Self {
        Self { handles: values.iter().map(|value| (*value, make(value))).collect() }
    }

    /// The handle of a value, if that is known.
    #[inline]
    pub fn get(&self, value: &str) -> Option<&H> {
        self.handles.iter().find(|(known, _)| *known == value).map(|(_, handle)| handle)
    }
}
