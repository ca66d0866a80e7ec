//! The formats of the text.

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4.
    Text,
    /// `OpenMetrics` text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The content type of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header asks for: the one with the greater weight, and text where
    /// it says nothing.
    pub fn of_accept(accept: &str) -> Self {
        let weight = |wanted: &str| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next()?;
                let weight = parts
                    .find_map(|it| it.strip_prefix("q="))
                    .map_or(Some(1.0), |q| q.parse::<f64>().ok())?;
                name.eq_ignore_ascii_case(wanted).then_some(weight)
            });
            ranges.fold(0.0, f64::max)
        };
        let open = weight("application/openmetrics-text");
        if open > 0.0 && open >= weight("text/plain") { Self::OpenMetrics } else { Self::Text }
    }
}

/// Prometheus text as `OpenMetrics`: families of counters are named without `_total`, and a last
/// line says that nothing is missing.
pub(super) fn open_metrics(text: &str) -> String {
    let mut open = String::with_capacity(text.len() + 6);
    let counters: std::collections::HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let comment = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        let name = comment.and_then(|rest| rest.split(' ').next());
        match name.filter(|name| counters.contains(name)) {
            Some(name) => match name.strip_suffix("_total") {
                Some(family) => {
                    open.push_str(&line[..7]);
                    open.push_str(family);
                    open.push_str(&line[7 + name.len()..]);
                }
                // Without the suffix it can be no counter there.
                None => open.push_str(&line.replace(" counter", " unknown")),
            },
            None => open.push_str(line),
        }
        open.push('\n');
    }
    open.push_str("# EOF\n");
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_format() {
        let check = |accept: &str, expected: Format| {
            assert_eq!(Format::of_accept(accept), expected, "{accept}");
        };
        check("", Format::Text);
        check("*/*", Format::Text);
        check("text/html,application/json", Format::Text);
        check("application/openmetrics-text", Format::OpenMetrics);
        check(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text;q=0.2, text/plain;q=0.9", Format::Text);
        check("application/openmetrics-text;q=0", Format::Text);
        check("application/openmetrics-text;q=x", Format::Text);
    }

    #[test]
    fn counters_lose_their_suffix_in_open_metrics() {
        let text = "# HELP a_total Help of a_total.\n# TYPE a_total counter\na_total{x=\"1\"} 3\n\n\
                    # TYPE b counter\nb 1\n\n# TYPE c gauge\nc 2\n\n";
        let expected = "# HELP a Help of a_total.\n# TYPE a counter\na_total{x=\"1\"} 3\n\
                        # TYPE b unknown\nb 1\n# TYPE c gauge\nc 2\n# EOF\n";
        assert_eq!(open_metrics(text), expected);
    }
}
