
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

CREATE FUNCTION contact_sync_internal.check_customers(customers regclass, s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE family(relation) AS (
        SELECT s.customers WHERE s.customers IS NOT NULL
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.relation
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
               END AS problem, NULL AS fix

        UNION ALL
        SELECT 2, 'customers_owner', s.name,
               (SELECT format('it has inheritance children of another owner: %s',
                              string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text))
                FROM family JOIN pg_class c ON c.oid = family.relation
                WHERE s.inherited AND c.relowner <> s.owner
                HAVING count(*) > 0), NULL
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 3, 'customers_key', format('%s.%I', s.name, s.id_column),
               CASE WHEN s.id IS NULL THEN 'there is no such column'
                    WHEN s.id_equality IS NULL THEN
                        'there is no valid, immediate and complete unique index on this column alone, '
                        'so nothing can refer to a customer'
               END, NULL
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 4, 'number_columns', s.name,
               CASE WHEN s.phone IS NULL AND s.whatsapp IS NULL THEN
                   format('it has neither a column %I nor a column %I', s.phone_column, s.whatsapp_column) END, NULL
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 5, 'schema', format('schema %I', s.schema_name),
               'the owner of customers may not create the missing contact tables in it',
               format('GRANT CREATE, USAGE ON SCHEMA %I TO %s;', s.schema_name, s.owner::regrole)
        WHERE NOT contact_sync_internal.may_create(s)
          AND EXISTS (SELECT FROM contact_sync_internal.contact_tables(s) t WHERE t.relation IS NULL)
    )
    SELECT check_name, object, CASE WHEN problem IS NULL THEN 'ok' ELSE 'blocked' END, problem, fix
    FROM finding
    -- Of what is no customers table there is nothing more to say.
    WHERE step = 1 OR NOT EXISTS (SELECT FROM finding WHERE step = 1 AND problem IS NOT NULL)
    ORDER BY step
$$;
COMMENT ON FUNCTION contact_sync_internal.check_customers(regclass, contact_sync_internal.shape) IS
    'what verify says of the customers table: whether it can be attached at all';
