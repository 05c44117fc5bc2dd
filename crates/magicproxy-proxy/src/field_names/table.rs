//! Tables of names: each name with the reason for its place in the table.

/// Declares tables of names. Each table is an array of names, made once; only the tests have the
/// reasons.
macro_rules! tables {
    ($($(#[$about:meta])* $visibility:vis $table:ident: $type:ty { $($name:expr => $reason:literal,)* })*) => {
        $($(#[$about])* $visibility static $table: [$type; [$($reason),*].len()] = [$($name),*];)*

        /// Reasons of each table.
        #[cfg(test)]
        pub(crate) const REASONS: &[(&str, &[&str])] = &[$((stringify!($table), &[$($reason),*])),*];
    };
}
pub(crate) use tables;

/// Checks the reasons: half a sentence each, unlike all others.
#[cfg(test)]
pub(crate) fn check_reasons(tables: &[(&str, &[&str])]) {
    for (table, reasons) in tables {
        for reason in *reasons {
            assert!(
                reason.len() > 9 && !reason.ends_with('.') && !reason.contains('\n'),
                "{table}: {reason}"
            );
        }
    }
}
