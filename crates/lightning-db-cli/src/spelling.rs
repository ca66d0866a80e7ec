//! What somebody may have meant who wrote a name that is not there.

/// A clause for a message about a name that was not found: the nearest of those that are there.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    // A third of the ones may differ: more than that is another word.
    let most = (wanted.len() / 3).max(1);
    let distances = known.into_iter().map(|known| (distance(&wanted, known), known));
    let nearest = distances.filter(|(distance, _)| *distance <= most).min();
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"))
}

/// Letters to be put in, left out, replaced or exchanged with their neighbour.
fn distance(wanted: &[char], known: &str) -> usize {
    let known: Vec<char> = known.to_lowercase().chars().collect();
    // Distances of each beginning of `wanted` to each beginning of `known`.
    let mut table = vec![(0..=known.len()).collect::<Vec<usize>>()];
    for row in 1..=wanted.len() {
        let mut line = vec![row];
        for column in 1..=known.len() {
            let above = &table[row - 1];
            let is_other = wanted[row - 1] != known[column - 1];
            let replaced = above[column - 1] + usize::from(is_other);
            let mut least = replaced.min(above[column] + 1).min(line[column - 1] + 1);
            let is_exchanged = row > 1
                && column > 1
                && wanted[row - 2] == known[column - 1]
                && wanted[row - 1] == known[column - 2];
            if is_exchanged {
                least = least.min(table[row - 2][column - 2] + 1);
            }
            line.push(least);
        }
        table.push(line);
    }
    table[wanted.len()][known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_offered() {
        let known = ["cities", "countries", "id"];
        assert_eq!(did_you_mean("citeis", known), "; did you mean cities?");
        assert_eq!(did_you_mean("CITY", ["city"]), "; did you mean city?");
        assert_eq!(did_you_mean("di", known), "; did you mean id?");
        assert_eq!(did_you_mean("population", known), "");
        assert_eq!(did_you_mean("", []), "");
    }
}
