//! How tables of names are written: each name with the reason why it stands there.

/// Declares tables of names. Each is an array of names, as the program needs it, made once; the tests have the reasons besides.
macro_rules! tables {
    ($($(#[$about:meta])* $visibility:vis $table:ident: $type:ty { $($name:expr => $reason:literal,)* })*) => {
        $($(#[$about])* $visibility static $table: [$type; [$($reason),*].len()] = [$($name),*];)*

        /// The reasons of each table.
        #[cfg(test)]
        pub(crate) const REASONS: &[(&str, &[&str])] = &[$((stringify!($table), &[$($reason),*])),*];
    };
}
pub(crate) use tables;

/// Half a sentence each, which is nobody else's.
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
