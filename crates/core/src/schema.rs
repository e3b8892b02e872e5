//! OpenAPI schemas of types that are strings in JSON, whatever their Rust form.

/// Describes `$type` as a string with an example, a format of [`crate::validate`] and a pattern.
macro_rules! text_schema {
    ($type:ty, $name:literal, $example:literal, $format:literal, $pattern:expr, $description:literal) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .format(Some(utoipa::openapi::SchemaFormat::Custom($format.to_owned())))
                    .pattern(Some($pattern))
                    .description(Some($description))
                    .examples([serde_json::Value::from($example)])
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    };
}
pub(crate) use text_schema;

/// A bounded number that exists only as a schema: `$name` is used as the `value_type` of a field.
macro_rules! number_schema {
    ($name:ident, $type:ident, $least:expr, $most:expr, $description:literal) => {
        struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::$type)
                    .minimum(Some($least))
                    .maximum(Some($most))
                    .description(Some($description))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use number_schema;
