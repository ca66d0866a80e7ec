//! The places of the world, within the program.

use lightning_db::tables::Value;
use serde_json::json;

use crate::failure::Failure;
use crate::format::Compression;
use crate::stream;

/// Places from `GeoNames`, CC BY 4.0; see the README beside the file.
const PLACES: &[u8] = include_bytes!("../../../../../tests/data/cities.csv.gz");

/// A populated place.
pub(super) struct Place<'a> {
    country: &'a str,
    name: &'a str,
    latitude: &'a str,
    longitude: &'a str,
}

impl Place<'_> {
    /// The place as a JSON object.
    pub(super) fn to_json(&self) -> String {
        let Self { country, name, latitude, longitude } = self;
        json!({ "name": name, "country": country, "lat": latitude, "lon": longitude }).to_string()
    }

    /// The place as a row of a table: number, name, country, longitude and latitude.
    pub(super) fn to_row(&self, number: u64) -> Result<Vec<Value>, Failure> {
        let degrees = |text: &str| {
            let refused = || Failure::Refused(format!("read the places of the tour: {text:?}"));
            text.parse::<f64>().map_err(|_| refused())
        };
        let (x, y) = (degrees(self.longitude)?, degrees(self.latitude)?);
        let (name, country) = (self.name.into(), self.country.into());
        Ok(vec![Value::U64(number), name, country, Value::Point { x, y }])
    }

    /// Key that sorts by country, then by name; the number tells places of one name apart.
    pub(super) fn country_key(&self, number: &str) -> String {
        format!("{}/{}/{number}", self.country, self.name)
    }
}

/// Calls `each` with every place, in the order of the file.
pub(super) fn each_place(
    mut each: impl FnMut(&Place<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let refuse = |what: String| Failure::Refused(format!("read the places of the tour: {what}"));
    let source = stream::decompress(PLACES, Compression::Gzip);
    let source = source.map_err(|error| refuse(error.to_string()))?;
    let mut reader = csv::Reader::from_reader(source);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| refuse(error.to_string()))? {
        let columns = (record.get(1), record.get(2), record.get(3), record.get(4));
        let (Some(latitude), Some(longitude), Some(country), Some(name)) = columns else {
            return Err(refuse(format!("a row has {} columns", record.len())));
        };
        each(&Place { country, name, latitude, longitude })?;
    }
    Ok(())
}
