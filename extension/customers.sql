
-- Checks of the customers table itself. Nothing here is mended by attach: what is wrong must be mended by hand first.

CREATE FUNCTION contact_sync_internal.may_create(s contact_sync_internal.shape) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT has_schema_privilege(s.owner, s.schema, 'CREATE') AND has_schema_privilege(s.owner, s.schema, 'USAGE')
$$;
COMMENT ON FUNCTION contact_sync_internal.may_create(contact_sync_internal.shape) IS
    'whether the owner of customers may create a table beside it';

CREATE FUNCTION contact_sync_internal.citus_kind(relation oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text;
BEGIN
    -- Citus keeps its catalog among those of PostgreSQL.
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        EXECUTE 'SELECT CASE WHEN partmethod <> ''n'' THEN ''a distributed table''
                             WHEN repmodel = ''t'' THEN ''a reference table''
                             ELSE ''a table in the metadata'' END
                 FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1'
        INTO kind USING relation;
    END IF;
    RETURN kind;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.citus_kind(oid) IS 'what a table is to Citus, null where it is nothing to it';

CREATE FUNCTION contact_sync_internal.check_citus(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'citus', t.name, 'blocked',
           format('it is %s of Citus, which runs triggers where its shards are: that is not supported yet', kind), NULL
    FROM (SELECT s.customers, s.name
          UNION ALL
          SELECT c.relation, c.name FROM contact_sync_internal.contact_tables(s) c) AS t(relation, name)
         CROSS JOIN LATERAL contact_sync_internal.citus_kind(t.relation) AS found(kind)
    WHERE kind IS NOT NULL
$$;
COMMENT ON FUNCTION contact_sync_internal.check_citus(contact_sync_internal.shape) IS
    'what verify says of tables that Citus manages';

CREATE FUNCTION contact_sync_internal.named_columns(s contact_sync_internal.shape)
RETURNS TABLE ("position" integer, parameter name, column_name name, status text, sqlstate text, fact text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.position, c.parameter, c.name, v.status, v.sqlstate, v.fact, v.fix
    FROM (VALUES (1, 'id_column'::name, s.id_column), (2, 'phone_column', s.phone_column),
                 (3, 'whatsapp_column', s.whatsapp_column)) AS c(position, parameter, name)
         CROSS JOIN LATERAL (SELECT s.sources[c.position]) AS named(source)
         LEFT JOIN pg_attribute a ON a.attrelid = s.customers AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_type t ON t.oid = a.atttypid
         CROSS JOIN LATERAL (
             SELECT 'blocked', '42703', 'does not exist', NULL
             WHERE a.attnum IS NULL AND named.source = 'caller'
             UNION ALL
             -- It was there when its name was passed to the triggers.
             SELECT 'blocked', NULL,
                    format('does not exist, but the arguments of the triggers name it: pass the name of the one that '
                           'replaces it, as in SELECT * FROM contact_sync.attach(%1$L, %2$s => ''...''); if none does, '
                           'run SELECT * FROM contact_sync.detach(%1$L) and attach again', s.name, c.parameter), NULL
             WHERE a.attnum IS NULL AND named.source = 'trigger'
             UNION ALL
             SELECT 'blocked', NULL, 'does not exist: pass the name of the customers'' key as id_column', NULL
             WHERE a.attnum IS NULL AND named.source = 'default' AND c.position = 1
             UNION ALL
             SELECT 'advice', NULL, 'does not exist; its contact methods are left unchanged', NULL
             WHERE a.attnum IS NULL AND named.source = 'default' AND c.position > 1
             UNION ALL
             SELECT 'blocked', '42804', format('is of type %s, which is not a text type', format_type(a.atttypid, a.atttypmod)),
                    CASE WHEN t.typcategory = 'N' AND a.attnum IS DISTINCT FROM s.id THEN
                        format('ALTER TABLE %s ALTER COLUMN %I TYPE pg_catalog.text;', s.name, c.name) END
             WHERE c.position > 1 AND NOT contact_sync_internal.is_text(a.atttypid)
             UNION ALL
             SELECT 'advice', NULL, 'is a virtual generated column, which triggers cannot see: make it STORED', NULL
             WHERE c.position > 1 AND a.attgenerated = 'v' AND contact_sync_internal.is_text(a.atttypid)
             UNION ALL
             SELECT 'ok', NULL, NULL, NULL
             WHERE c.position = 1 AND a.attnum IS NOT NULL
                   OR c.position > 1 AND a.attgenerated <> 'v' AND contact_sync_internal.is_text(a.atttypid)
         ) AS v(status, sqlstate, fact, fix)
    WHERE s.kind IN ('r', 'p')
    ORDER BY c.position
$$;
COMMENT ON FUNCTION contact_sync_internal.named_columns(contact_sync_internal.shape) IS
    'the columns of customers that the triggers read, and what is wrong with each: ''column "name" '' comes before the fact; '
    'sqlstate where it is the caller''s to correct before anything else';

CREATE FUNCTION contact_sync_internal.require_columns(s contact_sync_internal.shape) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    wrong record;
    others text;
    sql text;
BEGIN
    SELECT c.*, t.typcategory, base.type INTO wrong
    FROM contact_sync_internal.named_columns(s) c
         LEFT JOIN pg_attribute a ON a.attrelid = s.customers AND a.attname = c.column_name AND NOT a.attisdropped
         LEFT JOIN pg_type t ON t.oid = a.atttypid
         LEFT JOIN LATERAL contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS base ON true
    WHERE c.sqlstate IS NOT NULL
    ORDER BY c.position LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- Those that it could be instead, else what would make one.
    SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY a.attnum) INTO others
    FROM pg_attribute a
    WHERE a.attrelid = s.customers AND a.attnum > 0 AND NOT a.attisdropped
      AND CASE WHEN wrong.position = 1 THEN
                   EXISTS (SELECT FROM pg_index i
                           WHERE i.indrelid = a.attrelid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indisunique
                             AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL)
               ELSE a.attgenerated <> 'v' AND contact_sync_internal.is_text(a.atttypid) END;
    sql := coalesce(
        'To change its type, run: ' || wrong.fix,
        CASE WHEN wrong.typcategory = 'A' OR wrong.type IN ('json'::regtype, 'jsonb'::regtype) THEN
                 format('To add one, run: ALTER TABLE %s ADD COLUMN %I text GENERATED ALWAYS AS (%I%s) STORED;', s.name,
                        wrong.column_name || '_text', wrong.column_name,
                        CASE wrong.typcategory WHEN 'A' THEN '[1]' ELSE ' #>> ''{}''' END)
             WHEN others IS NULL AND wrong.position = 1 THEN
                 'Add a primary key to the table, and pass its column as id_column.'
             WHEN others IS NULL THEN
                 format('To add one, run: ALTER TABLE %s ADD COLUMN %I text;', s.name,
                        wrong.column_name || CASE wrong.sqlstate WHEN '42804' THEN '_text' ELSE '' END) END);
    RAISE EXCEPTION 'column "%" of table "%" %',
                    wrong.column_name, contact_sync_internal.plain_name(s.customers), wrong.fact
        USING ERRCODE = wrong.sqlstate,
              HINT = concat_ws(' ', 'Pass one of these columns as ' || wrong.parameter || ': ' || others || '.', sql);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.require_columns(contact_sync_internal.shape) IS
    'raises where the caller names a column of customers that does not exist, or numbers are to be in one of no text type';

CREATE FUNCTION contact_sync_internal.check_customers(customers regclass, s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(s.customers)
    ), finding AS (
        SELECT 1 AS step, 'customers_table' AS check_name, coalesce(s.name, customers::text, 'customers') AS object,
               CASE
                   WHEN customers IS NULL THEN
                       'no table was named, and search_path has none called customers: pass it with its schema'
                   WHEN s.customers IS NULL THEN 'there is no such table'
                   WHEN s.kind NOT IN ('r', 'p') THEN format('it is a %s, not a table: name the table behind it',
                       CASE s.kind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                                   WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence'
                                   ELSE 'relation of another kind' END)
                   WHEN (SELECT relispartition FROM pg_class WHERE oid = customers::oid) THEN
                       format('it is a partition: name the table it is part of, %s', pg_partition_root(customers))
                   WHEN s.persistence = 't' THEN 'it is a temporary table'
                   WHEN s.relation_name IN ('contact_preferences', 'contact_methods', 'contact_history') THEN
                       'the contact tables beside it are to have this name'
               END AS problem, NULL AS fix, NULL AS status

        UNION ALL
        SELECT 2, 'customers_owner', s.name,
               (SELECT format('it has inheritance children of another owner: %s',
                              string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text))
                FROM family JOIN pg_class c ON c.oid = family.relation
                WHERE s.inherited AND c.relowner <> s.owner
                HAVING count(*) > 0), NULL, NULL
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 3, 'customers_key', format('%s.%I', s.name, s.id_column),
               CASE WHEN c.fact IS NOT NULL THEN 'column ' || c.fact
                    WHEN s.id_equality IS NULL THEN
                        'there is no valid, immediate and complete unique index on this column alone, '
                        'so nothing can refer to a customer'
               END, NULL, NULL
        FROM contact_sync_internal.named_columns(s) c WHERE c.position = 1

        UNION ALL
        SELECT 2 + c.position, 'number_column', format('%s.%I', s.name, c.column_name), 'column ' || c.fact, c.fix, c.status
        FROM contact_sync_internal.named_columns(s) c WHERE c.position > 1

        UNION ALL
        SELECT 6, 'number_columns', s.name,
               CASE WHEN s.phone IS NULL AND s.whatsapp IS NULL THEN
                   format('it has neither a column %I nor a column %I', s.phone_column, s.whatsapp_column) END, NULL, NULL
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 7, 'schema', format('schema %I', s.schema_name),
               'the owner of customers may not create the missing contact tables in it',
               format('GRANT CREATE, USAGE ON SCHEMA %I TO %s;', s.schema_name, s.owner::regrole), NULL
        WHERE NOT contact_sync_internal.may_create(s)
          AND EXISTS (SELECT FROM contact_sync_internal.contact_tables(s) t WHERE t.relation IS NULL)
    )
    SELECT check_name, object, CASE WHEN problem IS NULL THEN 'ok' ELSE coalesce(status, 'blocked') END, problem, fix
    FROM finding
    -- Of what is no customers table there is nothing more to say.
    WHERE step = 1 OR NOT EXISTS (SELECT FROM finding WHERE step = 1 AND problem IS NOT NULL)
    ORDER BY step
$$;
COMMENT ON FUNCTION contact_sync_internal.check_customers(regclass, contact_sync_internal.shape) IS
    'what verify says of the customers table: whether it can be attached at all';
