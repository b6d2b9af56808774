//! A log of a web server, which is not a log of kernel calls. The tests of pages use it too.

use honeyguide::{Model, ReadOptions, Recipe, Source, ThresholdPolicy, TrainOptions, train};

use super::{engine, small_forest};

/// The recipe for requests.
const ACCESS: &str = "name = 'access'\n\
    [[feature]]\nname = 'path'\nrarity = { of = 'path' }\n\
    [[feature]]\nname = 'status'\nrarity = { of = 'status', given = ['path'] }\n";

/// Returns options that name the columns of hosts and times.
pub fn roles() -> ReadOptions {
    ReadOptions {
        host_column: Some("server".into()),
        time_column: Some("time".into()),
        ..ReadOptions::default()
    }
}

/// Returns requests to three servers on three days. Only one of the servers answers some of them with status 500.
pub fn access(name_of_time: &str) -> String {
    let mut text = format!("{name_of_time},server,path,status\n");
    for day in 3..6 {
        for server in ["a", "b", "c"] {
            for hour in 0..24 {
                let path = ["/", "/news", "/login"][hour % 3];
                let status = if hour == 23 && server == "c" {
                    500
                } else {
                    200
                };
                text += &format!("2025-03-0{day}T{hour:02}:59:59Z,{server},{path},{status}\n");
            }
        }
    }
    text
}

/// Trains a model of requests, whose threshold is set by held-out hosts.
pub async fn model_of_requests(source: &mut Source) -> Model {
    let options = TrainOptions {
        n_estimators: 10,
        threshold: ThresholdPolicy::HeldOutOrAuto {
            false_positive_rate: 0.1,
        },
        ..small_forest()
    };
    let recipe = Recipe::from_toml(ACCESS).expect("a recipe");
    let model = train(&engine(1), source, &recipe, &options).await;
    model.expect("a model")
}
