//! Names of columns that look like those of labels.

/// How clearly the name of a column says that the column is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LabelName {
    /// Other columns can have the name too, such as `target` or `y`.
    Possible,
    /// The name hardly means anything else, such as `is_attack` or `ground_truth`.
    Clear,
}

/// Words that name what a label tells apart.
const CLASSES: [&str; 32] = [
    "abnormal",
    "anomalous",
    "anomalies",
    "anomaly",
    "attack",
    "attacks",
    "bad",
    "benign",
    "class",
    "classes",
    "compromised",
    "evil",
    "fraud",
    "fraudulent",
    "infected",
    "intrusion",
    "malicious",
    "malware",
    "normal",
    "novelty",
    "outlier",
    "outliers",
    "sus",
    "suspicious",
    "target",
    "targets",
    "threat",
    "truth",
    "y",
    "gt",
    "groundtruth",
    "spam",
];
/// Words that name a label itself.
const LABELS: [&str; 4] = ["label", "labels", "labeled", "labelled"];
/// Words that say that a column holds yes or no.
const QUESTIONS: [&str; 4] = ["is", "was", "has", "are"];
/// Words that may stand beside those above.
const OTHERS: [&str; 8] = [
    "true", "ground", "the", "flag", "binary", "bin", "event", "row",
];

/// Returns how clearly `name` is the name of a label, or `None` if it is not. Case does not matter.
///
/// The name is split into words. All of them must be words for classes, labels, questions, or the few that stand beside
/// such words; so `attack` and `isAttack` are names of labels, and `attack_duration` is not. A name is clear if it has
/// a word for labels, asks a question, or says "ground truth".
pub(crate) fn label_name(name: &str) -> Option<LabelName> {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let is_known = |word: &String| {
        [&CLASSES[..], &LABELS, &QUESTIONS, &OTHERS]
            .iter()
            .any(|list| list.contains(&word.as_str()))
    };
    let names_a_class = has(&CLASSES);
    if !words.iter().all(is_known) || !(names_a_class || has(&LABELS)) {
        return None;
    }
    let is_truth = words.concat() == "groundtruth";
    let is_clear = has(&LABELS) || is_truth || (names_a_class && has(&QUESTIONS));
    Some(match is_clear {
        true => LabelName::Clear,
        false => LabelName::Possible,
    })
}

/// Returns the words of a name in lower case. A word ends at a character that is no letter, and before a capital that
/// follows a small letter. A question that is written together with its class, as in `isattack`, is two words.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for character in name.chars() {
        let starts = !last.is_alphabetic() || (last.is_lowercase() && character.is_uppercase());
        if character.is_alphabetic() {
            if starts {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(character.to_lowercase());
            }
        }
        last = character;
    }
    let divided = words.into_iter().flat_map(|word| {
        let question = QUESTIONS.into_iter().find_map(|question| {
            let class = word.strip_prefix(question)?;
            CLASSES.contains(&class).then_some((question, class))
        });
        match question {
            Some((question, class)) => vec![question.to_owned(), class.to_owned()],
            None => vec![word],
        }
    });
    divided.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels_are_recognised_in_any_spelling() {
        for name in [
            "label",
            "Label",
            "LABEL",
            "labels",
            "is_attack",
            "isAttack",
            "IsAttack",
            "isattack",
            "IS_ATTACK",
            "is-malicious",
            "is anomaly",
            "ground_truth",
            "GroundTruth",
            "groundTruth",
            "true_label",
            "attack_label",
            "label_binary",
            "class_label",
            "was_compromised",
        ] {
            assert_eq!(label_name(name), Some(LabelName::Clear), "{name}");
        }
        for name in [
            "attack",
            "Attack",
            "anomaly",
            "malicious",
            "class",
            "Class",
            "target",
            "y",
            "Y",
            "outlier",
            "y_true",
            "target_class",
            "evil",
            "sus",
            "groundtruth_flag",
        ] {
            assert_eq!(label_name(name), Some(LabelName::Possible), "{name}");
        }
    }

    #[test]
    fn names_of_other_columns_are_no_names_of_labels() {
        for name in [
            "",
            "1",
            "userId",
            "bytes",
            "attack_duration",
            "target_port",
            "class_of_service",
            "x",
            "y2_position",
            "labelSize",
            "is_ssl",
            "has_args",
            "event",
            "flag",
            "true",
            "ground",
            "yes",
            "classify",
            "distance",
            "status",
            "isolation",
            "bad_checksums",
        ] {
            assert_eq!(label_name(name), None, "{name}");
        }
    }
}
