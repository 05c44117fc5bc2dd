//! A bar chart as SVG, written as plain text.

use std::fmt::Write as _;

/// A bar, in a group of bars with a common scale.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) length: f64,
    pub(crate) times: f64,
}

const LEFT: f64 = 250.0;
const WIDTH: f64 = 380.0;
const LINE: f64 = 16.0;
const GAP: f64 = 12.0;

/// Draws CPU time per request; the longest bar of a group has the full width.
pub(crate) fn svg(bars: &[Bar]) -> String {
    let mut body = String::new();
    let mut y = 34.0;
    for group in bars.chunk_by(|one, other| one.group == other.group) {
        let longest = group.iter().map(|bar| bar.length).fold(f64::MIN_POSITIVE, f64::max);
        for (at, bar) in group.iter().enumerate() {
            let title = if at == 0 { bar.group } else { "" };
            let (text, width) = (y + 11.0, WIDTH * bar.length / longest);
            let colour = if bar.name == "magicproxy" { "#7a4fd0" } else { "#9aa4b2" };
            // Writing to a string does not fail.
            let _ = writeln!(
                body,
                "<text x=\"8\" y=\"{text}\" font-weight=\"bold\">{title}</text><text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{text}\">{:.1} us, {:.2}x</text>",
                LEFT - 8.0,
                bar.name,
                LEFT + width + 6.0,
                bar.length,
                bar.times
            );
            y += LINE;
        }
        y += GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"780\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"780\" height=\"{y}\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"20\" font-size=\"14\">CPU time per request, and how much that is of haproxy's</text>\n{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{Bar, svg};

    #[test]
    fn the_longest_bar_of_a_group_is_the_widest() {
        let bar = |group, name, length| Bar { group, name, length, times: 1.0 };
        let text =
            svg(&[bar("a", "nginx", 10.0), bar("a", "magicproxy", 5.0), bar("b", "nginx", 1.0)]);
        let widths: Vec<&str> = text
            .split("height=\"12\"")
            .filter_map(|part| part.rsplit_once("width=\""))
            .map(|(_, width)| width)
            .collect();
        assert!(
            widths.iter().take(3).map(|width| width.trim()).eq(["380.0\"", "190.0\"", "380.0\""]),
            "{widths:?}"
        );
    }
}
