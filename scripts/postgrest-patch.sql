-- PATCH /customers?id=eq.<id> with one column, in the SQL that PostgREST sends for it.  Run as the role authenticator.
--   psql -v id=... -v column=... -v type=... -v body='{"...": "..."}' -f postgrest-patch.sql
-- Prints SQLSTATE, the number of rows and the message, separated by |.
\set ON_ERROR_STOP off
\set QUIET on
\set page_total 0

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

SELECT set_config('search_path', '"public"', true), set_config('role', 'authenticated', true),
    set_config('request.jwt.claims', '{"role": "authenticated"}', true),
    set_config('request.method', 'PATCH', true), set_config('request.path', '/customers', true)
\g /dev/null

WITH pgrst_source AS (
    UPDATE "public"."customers" SET :"column" = "pgrst_body".:"column"
    FROM (SELECT :'body'::json AS json_data) pgrst_payload,
        LATERAL (SELECT :"column" FROM json_to_record(pgrst_payload.json_data) AS _(:"column" :type)) pgrst_body
    WHERE "public"."customers"."id" = :'id'
    RETURNING "public"."customers".*)
SELECT '' AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, array[]::text[] AS header,
    coalesce(json_agg(_postgrest_t), '[]') AS body,
    nullif(current_setting('response.headers', true), '') AS response_headers,
    nullif(current_setting('response.status', true), '') AS response_status
FROM (SELECT "customers".* FROM "pgrst_source" AS "customers") _postgrest_t
\gset

\set state :SQLSTATE
\set message ''
\if :ERROR
    \set message :LAST_ERROR_MESSAGE
\endif
COMMIT;
\if :ERROR
    \set state :SQLSTATE
    \set message :LAST_ERROR_MESSAGE
\endif
\echo :state|:page_total|:message
