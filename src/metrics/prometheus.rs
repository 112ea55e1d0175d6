//! Metrics in Prometheus's text format, for a scrape, a push or a file. Pure.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::names::{METRICS, Metric};
use super::samples::Sample;

type Labels = Vec<(&'static str, &'static str)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The label of every series: the installation's `--name`.
pub const INSTALLATION: &str = "installation";

/// The metrics of one installation: those of the last run, and earlier values of those that it does not know.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    gauges: Vec<(&'static Metric, Gauges)>,
    installation: String,
}

impl Exposition {
    /// An exposition without values.
    #[must_use]
    pub fn new(installation: &str) -> Self {
        let label = (INSTALLATION.into(), installation.to_owned().into());
        let mut registry = Registry::with_labels(std::iter::once(label));
        let mut gauges = Vec::with_capacity(METRICS.len());
        for metric in METRICS.iter().copied() {
            let family = Gauges::default();
            registry.register(metric.name, metric.help, family.clone());
            gauges.push((metric, family));
        }
        Self { registry, gauges, installation: installation.to_owned() }
    }

    /// Replaces earlier values with those of a run.
    pub fn set(&self, samples: &[Sample]) {
        for sample in samples {
            let gauges = self.gauges.iter().filter(|(metric, _)| std::ptr::eq(*metric, sample.metric));
            for (metric, family) in gauges {
                let label = metric.label.zip(sample.label).map(|((key, _), value)| (key, value));
                family.get_or_create(&label.into_iter().collect()).set(sample.value);
            }
        }
    }

    /// Reads the values that an earlier process wrote with [`Exposition::text`]. Skips other installations, metrics that are
    /// not in [`METRICS`], and values that are not numbers.
    pub fn take_over(&self, text: &str) {
        self.set(&text.lines().filter_map(|line| self.read(line)).collect::<Vec<_>>());
    }

    /// `NAME{installation="…",LABEL="…"} VALUE`
    fn read(&self, line: &str) -> Option<Sample> {
        let (name, rest) = line.split_once('{')?;
        let (labels, value) = rest.split_once("} ")?;
        let metric = *METRICS.iter().find(|metric| metric.name == name)?;
        let own = format!("{INSTALLATION}=\"{}\"", self.installation);
        let further = labels.strip_prefix(&own)?.strip_prefix(',');
        let label = match (metric.label, further) {
            (None, None) => None,
            (Some((key, values)), Some(further)) => {
                let value = further.strip_prefix(key)?.strip_prefix("=\"")?.strip_suffix('"')?;
                Some(*values.iter().find(|known| **known == value)?)
            }
            _ => return None,
        };
        let value: f64 = value.trim().parse().ok()?;
        value.is_finite().then_some(Sample { metric, label, value })
    }

    /// The text, which ends with a newline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
