
-- Checks of the customers table itself. Nothing here is mended by attach: what is wrong must be mended by hand first.

CREATE FUNCTION @extschema@.lacking_create(s @extschema@.shape) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Tables are made by the caller and given to the owner; without superuser's rights both need CREATE.
    SELECT string_agg(DISTINCT quote_ident(maker.rolname), ', ')
    FROM pg_roles maker
    WHERE (maker.rolname = current_user
           OR maker.oid = s.owner AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
      AND NOT (has_schema_privilege(maker.oid, s.schema, 'CREATE')
               AND has_schema_privilege(maker.oid, s.schema, 'USAGE'))
$$;
COMMENT ON FUNCTION @extschema@.lacking_create(@extschema@.shape) IS
    'who would have to create a table beside customers and may not, null where all may';

CREATE FUNCTION @extschema@.check_customers(customers regclass, s @extschema@.shape)
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
               END AS problem

        UNION ALL
        SELECT 2, 'customers_owner', s.name,
               CASE WHEN NOT pg_has_role(s.owner, 'USAGE') THEN
                        format('%I does not have the rights of the table''s owner %I', current_user, owner.rolname)
                    ELSE (SELECT format('it has inheritance children of another owner: %s',
                                        string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text))
                          FROM family JOIN pg_class c ON c.oid = family.relation
                          WHERE s.inherited AND c.relowner <> s.owner
                          HAVING count(*) > 0)
               END
        FROM pg_roles owner WHERE owner.oid = s.owner

        UNION ALL
        SELECT 3, 'customers_key', format('%s.%I', s.name, s.id_column),
               CASE WHEN s.id IS NULL THEN 'there is no such column'
                    WHEN s.id_equality IS NULL THEN
                        'there is no valid, immediate and complete unique index on this column alone, '
                        'so nothing can refer to a customer'
               END
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 4, 'number_columns', s.name,
               CASE WHEN s.phone IS NULL AND s.whatsapp IS NULL THEN
                   format('it has neither a column %I nor a column %I', s.phone_column, s.whatsapp_column) END
        WHERE s.customers IS NOT NULL

        UNION ALL
        SELECT 5, 'schema', format('schema %I', s.schema_name),
               format('%s may not create the missing contact tables in it: GRANT CREATE, USAGE ON SCHEMA %I TO %1$s',
                      makers, s.schema_name)
        FROM @extschema@.lacking_create(s) AS lacking(makers)
        WHERE makers IS NOT NULL AND EXISTS (SELECT FROM @extschema@.contact_tables(s) t WHERE t.relation IS NULL)
    )
    SELECT check_name, object, CASE WHEN problem IS NULL THEN 'ok' ELSE 'blocked' END, problem, NULL
    FROM finding
    -- Of what is no customers table there is nothing more to say.
    WHERE step = 1 OR NOT EXISTS (SELECT FROM finding WHERE step = 1 AND problem IS NOT NULL)
    ORDER BY step
$$;
COMMENT ON FUNCTION @extschema@.check_customers(regclass, @extschema@.shape) IS
    'what verify says of the customers table: whether it can be attached at all';
