//! The page around a report: one file that fetches nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Allows what the page has in it, and nothing from elsewhere: even text that slipped through could load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("style.css");

/// A whole document.
pub(super) fn page(title: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                // Ours, and without any character that would end it.
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    document.into_string()
}

/// A row of boxes with the figures that matter most: class, name, figure, words below.
pub(super) fn verdict(boxes: &[(&str, &str, String, String)]) -> Markup {
    html! {
        div.verdict {
            @for (class, name, figure, words) in boxes {
                div class=(class) { div.soft { (name) } div.figure { (figure) } div.soft { (words) } }
            }
        }
    }
}

/// What a reader should know first, as a list; nothing if there is nothing.
pub(super) fn notes(notes: &[String]) -> Markup {
    html! {
        @if !notes.is_empty() {
            h2 { "Before believing the figures" }
            ul { @for note in notes { li { (note) } } }
        }
    }
}
