-- Mergeable sketches for percentiles, kept as bytea (src/metrics/FORMAT.md).

CREATE FUNCTION monitoring_internal.sketch_merge(left_sketch bytea, right_sketch bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'monitoring_sketch_merge' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_merge(bytea, bytea) IS
    'The sketch of everything that two sketches have seen; NULL has seen nothing';

CREATE FUNCTION monitoring_internal.sketch_quantile(sketch bytea, quantile float8)
RETURNS float8
AS 'MODULE_PATHNAME', 'monitoring_sketch_quantile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_quantile(bytea, float8) IS
    'What percentile_cont(quantile) gives over the values of the sketch, within 1 %';

CREATE FUNCTION monitoring_internal.sketch_add(state internal, value float8)
RETURNS internal
AS 'MODULE_PATHNAME', 'monitoring_sketch_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_add(internal, float8) IS
    'Of the aggregate sketch_agg: takes a value';

CREATE FUNCTION monitoring_internal.sketch_add_sketch(state internal, sketch bytea)
RETURNS internal
AS 'MODULE_PATHNAME', 'monitoring_sketch_add_sketch' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_add_sketch(internal, bytea) IS
    'Of the aggregate sketch_merge_agg: takes a sketch';

CREATE FUNCTION monitoring_internal.sketch_combine(state internal, other internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'monitoring_sketch_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_combine(internal, internal) IS
    'Of the aggregates of sketches: puts what parallel workers have made together';

CREATE FUNCTION monitoring_internal.sketch_serialize(state internal)
RETURNS bytea
AS 'MODULE_PATHNAME', 'monitoring_sketch_serialize' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_serialize(internal) IS
    'Of the aggregates of sketches: the state as a sketch; NULL if it has seen nothing';

CREATE FUNCTION monitoring_internal.sketch_deserialize(sketch bytea, state internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'monitoring_sketch_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_deserialize(bytea, internal) IS
    'Of the aggregates of sketches: the state of a sketch';

CREATE AGGREGATE monitoring_internal.sketch_agg(float8) (
    SFUNC = monitoring_internal.sketch_add,
    STYPE = internal,
    COMBINEFUNC = monitoring_internal.sketch_combine,
    SERIALFUNC = monitoring_internal.sketch_serialize,
    DESERIALFUNC = monitoring_internal.sketch_deserialize,
    FINALFUNC = monitoring_internal.sketch_serialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE monitoring_internal.sketch_agg(float8) IS
    'A sketch of the finite values; NULL if there is none';

CREATE AGGREGATE monitoring_internal.sketch_merge_agg(bytea) (
    SFUNC = monitoring_internal.sketch_add_sketch,
    STYPE = internal,
    COMBINEFUNC = monitoring_internal.sketch_combine,
    SERIALFUNC = monitoring_internal.sketch_serialize,
    DESERIALFUNC = monitoring_internal.sketch_deserialize,
    FINALFUNC = monitoring_internal.sketch_serialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE monitoring_internal.sketch_merge_agg(bytea) IS
    'The sketch of everything that these sketches have seen; NULL if there is none';

CREATE FUNCTION monitoring_internal.sketch_add_piece(state internal, sketch bytea, value float8, quantile float8)
RETURNS internal
AS 'MODULE_PATHNAME', 'monitoring_sketch_add_piece' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_add_piece(internal, bytea, float8, float8) IS
    'Of the aggregate sketch_quantile_agg: takes a sketch, a value, or both';

CREATE FUNCTION monitoring_internal.sketch_quantile_of(state internal)
RETURNS float8
AS 'MODULE_PATHNAME', 'monitoring_sketch_quantile_of' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.sketch_quantile_of(internal) IS
    'Of the aggregate sketch_quantile_agg: the quantile of the state';

-- A state is a fraction of what the planner takes an internal one to be.
CREATE AGGREGATE monitoring_internal.sketch_quantile_agg(sketch bytea, value float8, quantile float8) (
    SFUNC = monitoring_internal.sketch_add_piece,
    STYPE = internal,
    SSPACE = 1024,
    FINALFUNC = monitoring_internal.sketch_quantile_of,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE monitoring_internal.sketch_quantile_agg(bytea, float8, float8) IS
    'A quantile, within 1 %, of everything that sketches have seen and of single values; NULL if '
    'there is none';

CREATE FUNCTION monitoring_internal.summary(finite_count bigint, sum_value float8, m2_value float8,
                                    min_value float8, max_value float8, sketch bytea)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'monitoring_summary' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION monitoring_internal.summary(bigint, float8, float8, float8, float8, bytea) IS
    'What is published of a state: {average, sample standard deviation, median, 95th, 99th percentile}; NULL where there are too few values, or where the distribution is not known';
