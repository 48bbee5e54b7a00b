
-- Row security of the contact tables: whoever sees a customer sees its contact rows, whoever may update a customer may
-- write them. The customers table's own policies decide, so there is one place to keep them.

CREATE FUNCTION contact_sync_internal.fingerprint(source text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- IN (...) over varchar is deparsed one way where it was written and another where it was restored from a dump: as
    -- a cast of the array, or of each element. Both count as the array without that cast.
    SELECT substr(encode(sha256(convert_to(
        regexp_replace(regexp_replace(source, '\(\(ARRAY\[([^]]*)\]\)::[a-z ]+\[\]\)', '(ARRAY[\1])', 'g'),
                       '\((''([^'']|'''')*''::[a-z ]+)\)::[a-z ]+', '\1', 'g'),
        getdatabaseencoding())), 'hex'), 1, 16)
$$;
COMMENT ON FUNCTION contact_sync_internal.fingerprint(text) IS 'tells whether what a policy was made from has changed since';

CREATE FUNCTION contact_sync_internal.expected_policies(s contact_sync_internal.shape)
RETURNS TABLE (table_name name, "position" integer, policy name, command "char", permissive boolean, roles oid[],
               role_list text, lookup text, condition text, comment text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH source(name, permissive, roles, condition) AS (
        -- A permissive policy without a condition admits no row, and a restrictive one forbids none. The condition is
        -- deparsed with bare column names, or with the table's own name before them: inside EXISTS they mean what they
        -- meant, since the innermost FROM is the customers table under that same name.
        SELECT polname, polpermissive, polroles, coalesce(' AND (' || nullif(condition, 'true') || ')', '')
        FROM pg_policy CROSS JOIN pg_get_expr(polqual, polrelid) AS condition
        WHERE s.row_security AND polrelid = s.customers AND polcmd IN ('w', '*') AND polqual IS NOT NULL
        UNION ALL
        SELECT '', true, '{0}', '' WHERE NOT s.row_security
    ), wanted(command, name, permissive, roles, condition, comment) AS (
        SELECT 'r'::"char", 'contact_sync_select', true, '{0}'::oid[], '',
               'whoever sees a customer sees its contact rows; rows of no customer are seen by the owner alone'
        UNION ALL
        SELECT command, concat_ws('_', prefix, nullif(name, '')), permissive, roles, condition,
               CASE WHEN permissive THEN 'whoever may update a customer may write its contact rows'
                    ELSE 'what forbids to update a customer forbids to write its contact rows' END
        FROM source,
             (VALUES ('a'::"char", 'contact_sync_insert'), ('w', 'contact_sync_update')) AS writing(command, prefix)
    ), complete AS (
        SELECT t.position, t.table_name,
               -- A name is at most 63 bytes; PostgreSQL would cut it, and two could become one.
               CASE WHEN octet_length(w.name) <= 63 THEN w.name
                    ELSE substr(w.name, 1, 20)
                         || substr(encode(sha256(convert_to(w.name, getdatabaseencoding())), 'hex'), 1, 32)
               END::name AS policy,
               w.command, w.permissive, ARRAY(SELECT unnest(w.roles) ORDER BY 1) AS roles,
               (SELECT string_agg(coalesce(quote_ident(rolname), 'PUBLIC'), ', ' ORDER BY rolname)
                FROM unnest(w.roles) AS role LEFT JOIN pg_roles ON pg_roles.oid = role) AS role_list,
               format(E'(EXISTS (SELECT FROM %s\n        WHERE', s.name) AS lookup,
               format(' %I.%I %s %I.customer_id', s.relation_name, s.id_column, s.id_equality, t.table_name)
                   || w.condition || '))' AS condition,
               w.comment
        FROM wanted w, contact_sync_internal.contact_tables(s) t
    )
    -- The comment carries a fingerprint of what the policy was made from: a later change of customers' policies shows.
    SELECT table_name, position, policy, command, permissive, roles, role_list, lookup, lookup || condition,
           format('contact_sync %s: %s', contact_sync_internal.fingerprint(
               concat_ws(' ', command, permissive, role_list, lookup, condition)), comment)
    FROM complete ORDER BY position, command = 'r' DESC, policy
$$;
COMMENT ON FUNCTION contact_sync_internal.expected_policies(contact_sync_internal.shape) IS
    'the policies that contact tables inherit from those of their customers table';

CREATE FUNCTION contact_sync_internal.check_policies(s contact_sync_internal.shape, rls text)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.contact_tables(s) WHERE relation IS NULL OR usable
    ), actual AS MATERIALIZED (
        SELECT contact.position, contact.name AS table_name, p.polname AS policy, p.polcmd AS command,
               p.polpermissive AS permissive, ARRAY(SELECT unnest(p.polroles) ORDER BY 1) AS roles,
               p.polqual IS NOT NULL AS has_using, p.polwithcheck IS NOT NULL AS has_check,
               coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') AS admits,
               coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') AS accepts,
               obj_description(p.oid, 'pg_policy') AS comment
        FROM contact JOIN pg_policy p ON p.polrelid = contact.relation
    ), expected AS MATERIALIZED (
        SELECT contact.position, contact.name AS table_name, e.policy, e.command, e.permissive, e.roles, e.role_list,
               e.lookup, e.condition, e.comment
        FROM contact_sync_internal.expected_policies(s) e JOIN contact USING (table_name)
    ), other AS MATERIALIZED (
        -- Policies of the contact tables that are not to be there. Permissive ones are ORed: one that is open to all
        -- undoes every other.
        SELECT a.*, a.policy ^@ 'contact_sync_' AND a.comment ~ '^contact_sync [0-9a-f]{16}:' IS TRUE AS ours,
               a.permissive AND (a.has_using OR a.has_check) AND a.admits = 'true' AND a.accepts = 'true' AS open
        FROM actual a
        WHERE NOT EXISTS (SELECT FROM expected e WHERE (e.table_name, e.policy) = (a.table_name, a.policy))
    ), finding AS (
        -- A table that attach creates gets row security whatever the caller says of policies.
        SELECT 1 AS step, position, ''::name AS policy, 'row_security' AS check_name, name AS object,
               CASE WHEN row_security THEN 'ok' ELSE 'fix' END AS status,
               CASE WHEN relation IS NULL THEN 'the table is to be created with row security'
                    WHEN NOT row_security THEN
                        'row security is off: whoever may read the table reads every row' END AS problem,
               format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', name) AS fix
        FROM contact WHERE rls = 'inherit' OR relation IS NULL

        UNION ALL
        SELECT 2, e.position, e.policy, 'policy', format('policy %I on %s', e.policy, e.table_name),
               CASE WHEN same THEN 'ok' ELSE 'fix' END,
               CASE WHEN a.policy IS NULL THEN 'the policy is missing'
                    WHEN NOT same THEN 'the policy or those of ' || s.name || ' have changed since it was made' END,
               CASE WHEN a.policy IS NOT NULL
                    THEN format(E'DROP POLICY %I ON %s;\n', e.policy, e.table_name) ELSE '' END
               || format(E'CREATE POLICY %I ON %s%s FOR %s TO %s\n    %s %s;\nCOMMENT ON POLICY %1$I ON %2$s IS %8$L;',
                         e.policy, e.table_name, CASE WHEN e.permissive THEN '' ELSE ' AS RESTRICTIVE' END,
                         CASE e.command WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' ELSE 'UPDATE' END,
                         e.role_list, CASE e.command WHEN 'a' THEN 'WITH CHECK' ELSE 'USING' END, e.condition,
                         e.comment)
        FROM expected e LEFT JOIN actual a USING (table_name, policy)
             CROSS JOIN LATERAL (
                 -- PostgreSQL gives the condition back in its own words; that it looks the customer up tells that
                 -- nobody has put another in its place.
                 SELECT a.policy IS NOT NULL AND a.command = e.command AND a.permissive = e.permissive
                        AND a.roles = e.roles AND starts_with(a.comment, substr(e.comment, 1, 30))
                        AND a.has_using = (e.command <> 'a') AND a.has_check = (e.command = 'a')
                        AND starts_with(regexp_replace(CASE WHEN a.has_using THEN a.admits ELSE a.accepts END,
                                                       '\s+', '', 'g'),
                                        regexp_replace(e.lookup, '\s+', '', 'g')) IS TRUE) AS comparison(same)
        WHERE rls = 'inherit'

        UNION ALL
        SELECT 3, o.position, o.policy, 'policy', format('policy %I on %s', o.policy, o.table_name), 'fix',
               'no policy of ' || s.name || ' stands behind it any more',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND o.ours

        UNION ALL
        -- The legacy policies, known by what they say.
        SELECT 4, o.position, o.policy, 'legacy_policy', format('policy %I on %s', o.policy, o.table_name), 'fix',
               'it opens every row of the table to all',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND NOT o.ours AND o.open AND o.roles = '{0}'

        UNION ALL
        SELECT 4, contact.position, '', 'legacy_policy', contact.name, 'ok', NULL, NULL
        FROM contact
        WHERE rls = 'inherit'
          AND NOT EXISTS (SELECT FROM other o
                          WHERE o.table_name = contact.name AND NOT o.ours AND o.open AND o.roles = '{0}')

        UNION ALL
        SELECT 5, o.position, o.policy, 'open_policy', format('policy %I on %s', o.policy, o.table_name), 'advice',
               'it opens every row of the table to the roles it names',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND NOT o.ours AND o.open AND o.roles <> '{0}'

        UNION ALL
        SELECT 0, 0, p.polname, 'recursive_policy', format('policy %I on %s', p.polname, s.name), 'blocked',
               format('the policy reads %s, whose policies are to read %s: that would never end; let it read the table '
                      'in a SECURITY DEFINER function, or attach with rls => ''keep''',
                      string_agg(DISTINCT contact.name, ', '), s.name), NULL
        FROM pg_policy p
             JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                                 AND d.refclassid = 'pg_class'::regclass
             JOIN contact ON contact.relation = d.refobjid
        WHERE rls = 'inherit' AND s.row_security AND p.polrelid = s.customers
        GROUP BY p.polname
    )
    SELECT check_name, object, status, problem, CASE WHEN status IN ('fix', 'advice') THEN fix END
    FROM finding ORDER BY step, position, policy <> 'contact_sync_select', policy
$$;
COMMENT ON FUNCTION contact_sync_internal.check_policies(contact_sync_internal.shape, text) IS
    'what verify says of row security; rls is inherit or keep';
