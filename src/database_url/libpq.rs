//! The variables by which a program of PostgreSQL's own connects as castoff does.

use super::{DatabaseUrl, Negotiation, Password, Roots};

impl DatabaseUrl {
    /// The variables for one of the servers. The program is told nothing else; what has no variable (an
    /// encrypted client key's password, `requirepeer`) it can't be told.
    pub(crate) fn libpq_variables(&self, server: usize) -> Vec<(&'static str, String)> {
        let Some(endpoint) = self.endpoints.get(server) else { return Vec::new() };
        let filed = || self.filed_passwords.get(server).and_then(Option::as_ref);
        let password = self.password.as_ref().or_else(filed).map(Password::expose);
        let mut variables = vec![
            ("PGHOST", endpoint.name()),
            ("PGPORT", endpoint.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.dbname.clone()),
            ("PGAPPNAME", self.application_name.clone()),
            ("PGSSLMODE", self.tls.mode.name().to_owned()),
        ];
        let roots = match &self.tls.roots {
            Roots::Unset => None,
            Roots::System => Some("system".to_owned()),
            Roots::File(path) => Some(path.to_string_lossy().into_owned()),
        };
        let client = self.tls.client.as_ref();
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let direct = self.tls.negotiation == Negotiation::Direct;
        let optional = [
            ("PGHOSTADDR", endpoint.address.map(|address| address.to_string())),
            ("PGPASSWORD", password.map(str::to_owned)),
            ("PGOPTIONS", self.options.clone()),
            ("PGSSLROOTCERT", roots),
            ("PGSSLCERT", client.map(|client| path(&client.certificate))),
            ("PGSSLKEY", client.map(|client| path(&client.key))),
            ("PGSSLNEGOTIATION", direct.then(|| "direct".to_owned())),
        ];
        variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_has_its_variable() {
        let url: DatabaseUrl =
            "postgresql://u%40:p%2Fw@[::1]:99,h2/d b?sslmode=require&options=-c%20x%3D1"
                .parse()
                .unwrap();
        let text = |server| {
            let variables = url.libpq_variables(server);
            let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
            variables.collect::<Vec<_>>().join(";")
        };
        assert_eq!(
            text(0),
            "PGHOST=::1;PGPORT=99;PGUSER=u@;PGDATABASE=d b;PGAPPNAME=castoff;PGSSLMODE=require;\
             PGPASSWORD=p/w;PGOPTIONS=-c x=1"
        );
        assert!(text(1).starts_with("PGHOST=h2;PGPORT=5432;"));
        assert_eq!(text(2), "");
    }
}
