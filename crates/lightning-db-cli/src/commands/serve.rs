//! `serve-metrics`: an open store as a service that shows what it does, until it is ended.

use lightning_db::ops::{EndpointOptions, ServiceOptions, TlsIdentity};
use serde_json::json;

use crate::args::ServeMetrics;
use crate::context::Context;
use crate::failure::Failure;

/// Opens the store and serves its metrics and health until Ctrl-C or SIGTERM, then shuts down.
pub(crate) fn metrics(context: &Context, arguments: &ServeMetrics) -> Result<(), Failure> {
    let store = context.open()?;
    let mut endpoint = EndpointOptions::new(arguments.listen);
    if let Some(token) = &arguments.token {
        endpoint = endpoint.token(token);
    }
    let mut scheme = "http";
    if let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) {
        endpoint = endpoint.tls(TlsIdentity::from_files(certificate, key)?);
        scheme = "https";
    }
    let service = ServiceOptions::new().endpoint(endpoint).start(&store)?;
    if let Some(tables) = context.tables_of(&store)? {
        service.add_tables(&tables);
    }
    let coordinator = service.coordinator();
    let _signals = coordinator.listen_for_signals()?;
    coordinator.set_ready(true);
    // The address it has been given, where the port was left to the system.
    let address = service.address().unwrap_or(arguments.listen);
    let line = format!("serving {scheme}://{address}/metrics and /health; Ctrl-C ends it\n");
    context.print(&line, &json!({ "address": address.to_string() }))?;
    let report = coordinator.wait_blocking();
    if context.json {
        context.print("", &report.to_json())?;
    } else {
        context.note(report.to_string().trim_end());
    }
    if report.is_clean() {
        return Ok(());
    }
    Err(Failure::Refused(format!("shut down in order: the report is {}", report.phase)))
}
