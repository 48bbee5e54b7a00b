
-- Checks of the triggers on customers: ours in place, legacy ones gone.

CREATE FUNCTION contact_sync_internal.expected_triggers(partitioned boolean)
RETURNS TABLE (function name, name name, event text, type smallint, level text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- pg_trigger.tgtype: row 1, before 2, insert 4, update 16. An UPDATE that moves a row to another partition inserts it
    -- there, so the statement triggers of partitioned tables are for both.
    SELECT e.function, e.name, e.event, e.type, CASE e.type & 1 WHEN 1 THEN 'ROW' ELSE 'STATEMENT' END
    FROM (VALUES
        ('sync_contact_numbers'::name, 'trigger_sync_contact_numbers'::name, 'BEFORE INSERT OR UPDATE', 23::smallint, NULL),
        ('initialize_contact_preferences', 'trigger_initialize_contact_preferences', 'AFTER INSERT', 5, NULL),
        ('initialize_contact_preferences', 'trigger_initialize_contact_preferences_statement', 'AFTER INSERT', 4, false),
        ('initialize_contact_preferences', 'trigger_initialize_contact_preferences_statement',
         'AFTER INSERT OR UPDATE', 20, true),
        ('update_contact_methods', 'trigger_update_contact_methods', 'AFTER INSERT OR UPDATE', 21, NULL),
        ('update_contact_methods', 'trigger_update_contact_methods_statement', 'AFTER INSERT OR UPDATE', 20, NULL)
    ) AS e(function, name, event, type, partitioned)
    WHERE e.partitioned IS NULL OR e.partitioned = expected_triggers.partitioned
$$;
COMMENT ON FUNCTION contact_sync_internal.expected_triggers(boolean) IS
    'the triggers that a customers table is to have';

CREATE FUNCTION contact_sync_internal.check_triggers(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(s.customers)
    ), target AS MATERIALIZED (
        SELECT c.oid AS relation, format('%I.%I', n.nspname, c.relname) AS name, c.relnamespace AS schema,
               c.oid = s.customers OR s.inherited AND c.relkind = 'r' AND c.relnamespace = s.schema AS wanted,
               s.kind = 'p' AND c.relkind IN ('r', 'p') AS of_partitioned
        FROM family JOIN pg_class c ON c.oid = family.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    ), wanted AS MATERIALIZED (
        -- PostgreSQL clones a partitioned table's triggers FOR EACH ROW to its partitions. Those FOR EACH STATEMENT fire
        -- for the table that a statement names, and for no other. Inheritance children need their own in any case.
        SELECT target.relation, target.name AS table_name, e.*
        FROM target CROSS JOIN contact_sync_internal.expected_triggers(s.kind = 'p') e
        WHERE target.wanted OR target.of_partitioned AND e.level = 'STATEMENT'
    ), present AS MATERIALIZED (
        SELECT t.*, target.name AS table_name, e.name AS good_as
        FROM contact_sync_internal.sync_triggers(s.customers) t
             JOIN target USING (relation)
             LEFT JOIN wanted e
                  ON (e.relation, e.function, e.type) = (t.relation, t.function, t.type)
                     AND t.ours AND t.plain AND NOT t.has_transition_tables
                     AND (coalesce(nullif(t.arguments[1], ''), 'id'), coalesce(nullif(t.arguments[2], ''), 'phone'),
                          coalesce(nullif(t.arguments[3], ''), 'whatsapp'))
                         = (s.id_column::text, s.phone_column::text, s.whatsapp_column::text)
    ), kept AS MATERIALIZED (
        SELECT DISTINCT ON (relation, good_as) relation, good_as, name, trigger, state
        FROM present WHERE good_as IS NOT NULL AND NOT clone
        ORDER BY relation, good_as, state IN ('O', 'A') DESC, name = good_as DESC, name
    ), dropped AS MATERIALIZED (
        -- Each goes as the new trigger of its name comes or, where there is none, its function's first. A partition's goes
        -- before all others: the clone of its parent's may need the name.
        SELECT p.*, (SELECT w.name FROM wanted w
                     WHERE (w.relation, w.function) = (p.relation, p.function)
                       AND (s.kind <> 'p' OR w.relation = s.customers)
                     ORDER BY w.name = p.name DESC, w.name LIMIT 1) AS goes_with
        FROM present p
        WHERE NOT p.clone AND NOT EXISTS (SELECT FROM kept WHERE kept.trigger = p.trigger)
    ), expected AS MATERIALIZED (
        SELECT wanted.*, kept.name AS kept_name, kept.state,
               (SELECT string_agg(format(E'DROP TRIGGER %I ON %s;\n', d.name, d.table_name), '' ORDER BY d.name)
                FROM dropped d
                WHERE d.ours AND (d.relation, d.goes_with) = (wanted.relation, wanted.name)) AS drops,
               (SELECT string_agg(DISTINCT format('%s on %s', quote_ident(t.tgname), t.tgrelid::regclass), ', ')
                FROM pg_trigger t
                WHERE t.tgname = wanted.name AND t.tgparentid = 0
                  AND (t.tgrelid = wanted.relation
                       OR s.kind = 'p' AND wanted.level = 'ROW'     -- PostgreSQL clones it
                          AND t.tgrelid IN (SELECT relation FROM family))
                  AND NOT EXISTS (SELECT FROM dropped d WHERE d.trigger = t.oid)) AS name_taken
        FROM wanted LEFT JOIN kept ON (kept.relation, kept.good_as) = (wanted.relation, wanted.name)
    ), finding AS (
        SELECT 2 AS step, d.table_name, d.name, 'legacy_trigger' AS check_name,
               format('trigger %I on %s', d.name, d.table_name) AS object, 'fix' AS status,
               'a legacy trigger does what ours does, and its errors fail the customer''s statement' AS problem,
               format('DROP TRIGGER %I ON %s;', d.name, d.table_name) AS fix
        FROM dropped d WHERE NOT d.ours
        UNION ALL
        SELECT 2, s.name, '', 'legacy_trigger', s.name, 'ok', NULL, NULL
        WHERE NOT EXISTS (SELECT FROM dropped WHERE NOT ours)

        UNION ALL
        -- A partition's own, beside the clone of its parent's, would do everything twice.
        SELECT 3, d.table_name, d.name, 'trigger', format('trigger %I on %s', d.name, d.table_name), 'fix',
               'its parent''s trigger serves it, or its definition differs',
               format('DROP TRIGGER %I ON %s;', d.name, d.table_name)
        FROM dropped d WHERE d.ours AND d.goes_with IS NULL AND s.kind = 'p'

        UNION ALL
        SELECT 4, e.table_name, e.name, 'trigger',
               format('trigger %I on %s', coalesce(e.kept_name, e.name), e.table_name),
               CASE WHEN e.kept_name IS NULL AND e.name_taken IS NOT NULL THEN 'blocked'
                    WHEN e.kept_name IS NULL OR e.drops IS NOT NULL OR e.state NOT IN ('O', 'A') THEN 'fix'
                    ELSE 'ok' END,
               CASE WHEN e.kept_name IS NULL AND e.name_taken IS NOT NULL THEN
                        'a trigger of another kind has its name: rename or drop ' || e.name_taken
                    WHEN e.kept_name IS NULL AND e.drops IS NULL THEN 'the trigger is missing'
                    WHEN e.kept_name IS NULL THEN
                        'its definition differs: time, level, event, arguments, condition or transition tables'
                    WHEN e.drops IS NOT NULL THEN 'there is more than one trigger of this kind'
                    WHEN e.state = 'R' THEN 'the trigger fires for replicated rows only'
                    WHEN e.state NOT IN ('O', 'A') THEN 'the trigger is disabled' END,
               concat(e.drops,
                      CASE WHEN e.kept_name IS NULL THEN
                               format(E'CREATE TRIGGER %I %s ON %s\n'
                                      '    FOR EACH %s EXECUTE FUNCTION contact_sync.%I(%s);',
                                      e.name, e.event, e.table_name, e.level, e.function, s.arguments)
                           WHEN e.state NOT IN ('O', 'A') THEN
                               format('ALTER TABLE %s ENABLE TRIGGER %I;', e.table_name, e.kept_name) END)
        FROM expected e

        UNION ALL
        -- Clones follow their parent, unless somebody has set one by hand.
        SELECT 5, p.table_name, p.name, 'trigger', format('trigger %I on %s', p.name, p.table_name), 'fix',
               CASE p.state WHEN 'R' THEN 'the trigger fires for replicated rows only'
                            ELSE 'the trigger is disabled' END,
               format('ALTER TABLE %s ENABLE TRIGGER %I;', p.table_name, p.name)
        FROM present p
             JOIN pg_trigger clone ON clone.oid = p.trigger
        WHERE p.clone AND p.state NOT IN ('O', 'A') AND p.ours

        UNION ALL
        SELECT 6, target.name, '', 'trigger', target.name, 'advice',
               'this inheritance child has contact tables of its own, beside it: attach it by itself', NULL
        FROM target WHERE s.inherited AND NOT target.wanted AND target.schema <> s.schema
    )
    SELECT check_name, object, status, problem, CASE WHEN status IN ('fix', 'advice') THEN rtrim(fix, E'\n') END
    FROM finding ORDER BY step, table_name <> s.name, table_name, name LIKE 'trigger\_update\_contact\_methods%',
                          name LIKE 'trigger\_initialize\_contact\_preferences%', name
$$;
COMMENT ON FUNCTION contact_sync_internal.check_triggers(contact_sync_internal.shape) IS 'what verify says of the triggers on customers';

CREATE FUNCTION contact_sync_internal.check_privileges(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- What a role may not execute it may not put on a table either. attach grants it in its caller's name.
    SELECT 'execute', f.oid::regprocedure::text,
           CASE WHEN has_function_privilege(contact_sync_internal.caller(), f.oid, 'EXECUTE WITH GRANT OPTION')
                THEN 'fix' ELSE 'blocked' END,
           format('%s may not put it on a table', s.owner::regrole),
           format('GRANT EXECUTE ON FUNCTION %s TO %s;', f.oid::regprocedure, s.owner::regrole)
    FROM pg_proc f
    WHERE contact_sync_internal.is_ours(f.oid) AND f.prorettype = 'trigger'::regtype
      AND NOT has_function_privilege(f.oid, 'EXECUTE')
      AND EXISTS (SELECT FROM (SELECT * FROM contact_sync_internal.check_tables(s)
                               UNION ALL
                               SELECT * FROM contact_sync_internal.check_triggers(s)) AS c
                  WHERE c.check_name IN ('touch_trigger', 'trigger') AND c.status = 'fix'
                    AND strpos(c.fix, format('contact_sync.%I(', f.proname)) > 0)
    UNION ALL
    -- The trigger functions' own statements run with the rights of the owner of customers.
    SELECT 'usage', format('schema %I', n.nspname),
           CASE WHEN pg_has_role(n.nspowner, 'USAGE') THEN 'fix' ELSE 'blocked' END,
           format('the owner of %s may not use it', s.name),
           format('GRANT USAGE ON SCHEMA %I TO %s;', n.nspname, s.owner::regrole)
    FROM pg_namespace n
    WHERE (n.nspname = 'contact_sync' OR n.oid = s.schema) AND NOT has_schema_privilege(s.owner, n.oid, 'USAGE')
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION contact_sync_internal.check_privileges(contact_sync_internal.shape) IS
    'what verify says of privileges that the owner of customers lacks';
