
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

CREATE FUNCTION contact_sync_internal.is_our_policy(policy oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT polname ^@ 'contact_sync_'
           AND obj_description(policy, 'pg_policy') ~ '^contact_sync [0-9a-f]{16}:' IS TRUE
    FROM pg_policy WHERE oid = policy
$$;
COMMENT ON FUNCTION contact_sync_internal.is_our_policy(oid) IS
    'whether attach made a policy: by its name and its comment';

CREATE FUNCTION contact_sync_internal.is_open_policy(policy oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Permissive policies are ORed: one that is open to all undoes every other. One without an expression admits
    -- no row.
    SELECT polpermissive AND num_nonnulls(polqual, polwithcheck) > 0
           AND coalesce(pg_get_expr(polqual, polrelid), 'true') = 'true'
           AND coalesce(pg_get_expr(polwithcheck, polrelid), 'true') = 'true'
    FROM pg_policy WHERE oid = policy
$$;
COMMENT ON FUNCTION contact_sync_internal.is_open_policy(oid) IS
    'whether a policy opens every row of its table to the roles it is for';

CREATE FUNCTION contact_sync_internal.commands_without_customer(s contact_sync_internal.shape) RETURNS SETOF "char"
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT command
    FROM contact_sync_internal.contact_tables(s) t
         CROSS JOIN (VALUES ('r'::"char", 'r'::"char"), ('a', 'w'), ('w', 'w')) AS wanted(command, on_customers)
    WHERE t.table_name = 'contact_history'
      AND CASE
          -- A table that attach creates had no such rows. They become as open as the customers are: where some
          -- customers are hidden from some roles, whose call it was is not for everyone either.
          WHEN t.relation IS NULL THEN
              NOT s.row_security
              OR EXISTS (SELECT FROM pg_policy
                         WHERE polrelid = s.customers AND polcmd IN (on_customers, '*') AND polroles = '{0}'
                           AND contact_sync_internal.is_open_policy(oid))
                 AND NOT EXISTS (SELECT FROM pg_policy
                                 WHERE polrelid = s.customers AND polcmd IN (on_customers, '*') AND NOT polpermissive)
          -- What was open to all before attach stays open. After attach, our policy records that it was.
          ELSE NOT t.row_security
              OR EXISTS (SELECT FROM pg_policy
                         WHERE polrelid = t.relation AND polcmd IN (command, '*')
                           AND (polroles = '{0}' AND contact_sync_internal.is_open_policy(oid)
                                OR polname ^@ 'contact_sync_without_customer_'
                                   AND contact_sync_internal.is_our_policy(oid)))
          END
$$;
COMMENT ON FUNCTION contact_sync_internal.commands_without_customer(contact_sync_internal.shape) IS
    'the commands for which rows of contact_history without a customer are, or stay, open to all: r, a, w';

CREATE FUNCTION contact_sync_internal.expected_policies(s contact_sync_internal.shape)
RETURNS TABLE (table_name name, "position" integer, policy name, command "char", permissive boolean, roles oid[],
               role_list text, without_customer boolean, lookup text, condition text, comment text)
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
    ), wanted(command, name, permissive, roles, without_customer, condition, comment) AS (
        SELECT 'r'::"char", 'contact_sync_select', true, '{0}'::oid[], false, '',
               'whoever sees a customer sees its contact rows'
        UNION ALL
        SELECT command, concat_ws('_', prefix, nullif(name, '')), permissive, roles, false, condition,
               CASE WHEN permissive THEN 'whoever may update a customer may write its contact rows'
                    ELSE 'what forbids to update a customer forbids to write its contact rows' END
        FROM source,
             (VALUES ('a'::"char", 'contact_sync_insert'), ('w', 'contact_sync_update')) AS writing(command, prefix)
        UNION ALL
        SELECT command,
               'contact_sync_without_customer_'
                   || CASE command WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' ELSE 'update' END,
               true, '{0}', true, '', 'rows without a customer are open to all who have privileges on the table'
        FROM contact_sync_internal.commands_without_customer(s) AS command
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
               w.without_customer,
               CASE WHEN w.without_customer THEN '(customer_id IS NULL)'
                    ELSE start || format(E'(EXISTS (SELECT 1 FROM %s\n        WHERE', s.name) END AS lookup,
               CASE WHEN w.without_customer THEN ''
                    ELSE format(' %I.%I %s %I.customer_id', s.relation_name, s.id_column, s.id_equality, t.table_name)
                         || w.condition || '))' || ending END AS condition,
               w.comment
        FROM contact_sync_internal.contact_tables(s) t
             JOIN wanted w ON t.table_name = 'contact_history' OR NOT w.without_customer
             -- What restricts access to some customers says nothing of rows without one.
             CROSS JOIN LATERAL (
                 SELECT CASE WHEN exempt THEN '((customer_id IS NULL) OR ' ELSE '' END,
                        CASE WHEN exempt THEN ')' ELSE '' END
                 FROM (VALUES (t.table_name = 'contact_history' AND NOT w.permissive)) AS rows_of(exempt)
             ) AS around(start, ending)
    )
    -- The comment carries a fingerprint of what the policy was made from: a later change of customers' policies shows.
    SELECT table_name, position, policy, command, permissive, roles, role_list, without_customer, lookup,
           lookup || condition,
           format('contact_sync %s: %s', contact_sync_internal.fingerprint(
               concat_ws(' ', command, permissive, role_list, lookup, condition)), comment)
    FROM complete ORDER BY position, command = 'r' DESC, policy
$$;
COMMENT ON FUNCTION contact_sync_internal.expected_policies(contact_sync_internal.shape) IS
    'the policies that contact tables inherit from those of their customers table';

CREATE FUNCTION contact_sync_internal.references_of(customers oid, contact oid[], class oid, object oid)
RETURNS TABLE (to_class oid, to_object oid, by_name boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- A table whose row security is on, or will be, has its policies expanded. Those that attach makes read customers.
    SELECT 'pg_policy'::regclass::oid, p.oid, false
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE class = 'pg_class'::regclass AND p.polrelid = object AND NOT contact_sync_internal.is_our_policy(p.oid)
      AND (c.relrowsecurity OR c.oid = ANY (contact))
    UNION
    SELECT 'pg_class'::regclass, customers, false
    WHERE class = 'pg_class'::regclass AND object = ANY (contact)

    UNION
    -- pg_depend has nothing of pg_catalog; an operator stands for its function. That a policy reads its own table shows
    -- in its tree alone: it depends on the table and its columns in any case.
    SELECT CASE WHEN d.refclassid = 'pg_class'::regclass THEN d.refclassid ELSE 'pg_proc'::regclass END,
           coalesce(o.oprcode, d.refobjid), false
    FROM (SELECT class, object WHERE class <> 'pg_class'::regclass
          UNION ALL
          SELECT 'pg_rewrite'::regclass, r.oid
          FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1'
          WHERE class = 'pg_class'::regclass AND c.oid = object AND c.relkind = 'v') AS dependent(classid, objid)
         JOIN pg_depend d USING (classid, objid)
         LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    WHERE d.deptype = 'n' AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass)
      AND NOT EXISTS (SELECT FROM pg_policy p
                      WHERE d.classid = 'pg_policy'::regclass AND p.oid = d.objid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
                        AND concat(p.polqual, p.polwithcheck) !~ format(':relid %s ', p.polrelid))

    UNION
    -- The body of a function that is text refers to whatever it has the name of; dynamic SQL, to any contact table.
    SELECT named.catalog, named.oid, true
    FROM pg_proc f
         JOIN pg_language l ON l.oid = f.prolang AND l.lanname NOT IN ('c', 'internal')
         CROSS JOIN LATERAL (
             SELECT lower(m[1]) FROM regexp_matches(f.prosrc, '[[:alnum:]_$]+', 'g') AS m
             UNION SELECT lower(m[1]) FROM regexp_matches(f.prosrc, '"([^"]+)"', 'g') AS m) AS word(name)
         JOIN LATERAL (
             SELECT 'pg_class'::regclass::oid, oid, relname FROM pg_class
             WHERE relkind IN ('r', 'p', 'v')
               AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
             UNION ALL
             SELECT 'pg_proc'::regclass, oid, proname FROM pg_proc
             WHERE prokind = 'f' AND pronamespace <> 'pg_catalog'::regnamespace AND oid <> f.oid
             UNION ALL
             SELECT 'pg_class'::regclass, unnest(contact), 'execute') AS named(catalog, oid, name)
             ON lower(named.name) = word.name
    WHERE class = 'pg_proc'::regclass AND f.oid = object
$$;
COMMENT ON FUNCTION contact_sync_internal.references_of(oid, oid[], oid, oid) IS
    'what a table''s policies, a policy, a view or a function use; by_name: only the function''s text suggests so';

CREATE FUNCTION contact_sync_internal.policy_references(s contact_sync_internal.shape)
RETURNS TABLE (class oid, object oid, to_class oid, to_object oid, by_name boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE contact(relations) AS MATERIALIZED (
        SELECT array_agg(t.relation) FROM contact_sync_internal.contact_tables(s) t WHERE t.kind IN ('r', 'p')
    ), reached(class, object) AS (
        SELECT 'pg_class'::regclass::oid, unnest(relations) FROM contact
        UNION
        SELECT r.to_class, r.to_object
        FROM reached CROSS JOIN contact
             CROSS JOIN LATERAL contact_sync_internal.references_of(
                 s.customers, contact.relations, reached.class, reached.object) r
    ), reference AS MATERIALIZED (
        SELECT reached.class, reached.object, r.*
        FROM reached CROSS JOIN contact
             CROSS JOIN LATERAL contact_sync_internal.references_of(
                 s.customers, contact.relations, reached.class, reached.object) r
    ), back(class, object) AS (
        SELECT 'pg_class'::regclass::oid, unnest(relations) FROM contact
        UNION
        SELECT r.class, r.object
        FROM back JOIN reference r ON (r.to_class, r.to_object) = (back.class, back.object)
    )
    SELECT r.* FROM reference r JOIN back ON (back.class, back.object) = (r.to_class, r.to_object)
$$;
COMMENT ON FUNCTION contact_sync_internal.policy_references(contact_sync_internal.shape) IS
    'what leads from the contact tables back to one, through policies, views and functions, when they are attached';

CREATE FUNCTION contact_sync_internal.recursive_policies(s contact_sync_internal.shape)
RETURNS TABLE (policy oid, target oid, contact oid, first oid, function oid, by_name boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- As the rewriter expands a policy (fireRIRrules in rewriteHandler.c): into the SELECT policies of the tables that
    -- it reads, and so on, with the rights of the caller, or of the owner of a view on the way. It raises an error where
    -- it meets a table again whose policies have sub-selects. A function starts anew when it runs, with its caller's or
    -- its owner's rights: there the recursion ends at the stack's limit. Contact tables count as attach will leave them.
    WITH RECURSIVE contact AS MATERIALIZED (
        SELECT t.relation FROM contact_sync_internal.contact_tables(s) t WHERE t.kind IN ('r', 'p')
    ), reference AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.policy_references(s)
    ), policy AS MATERIALIZED (
        SELECT p.oid, c.oid AS relation, c.relowner AS owner, p.polcmd IN ('r', '*') AS reading, p.polroles AS roles,
               concat(p.polqual, p.polwithcheck) ~ '(^|[^\\])\{SUBLINK ' AS has_sublinks,
               c.oid = s.customers AND p.polcmd IN ('r', 'w', '*') AND p.polqual IS NOT NULL AS inherited
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.oid IN (SELECT object FROM reference WHERE class = 'pg_class'::regclass)
          AND NOT contact_sync_internal.is_our_policy(p.oid)
    ), switch AS MATERIALIZED (
        -- Views and functions, and the role whose rights they have: null is their caller.
        SELECT 'pg_class'::regclass::oid AS class, c.oid AS object,
               CASE WHEN NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
                                     WHERE option_name = 'security_invoker' AND option_value::boolean)
                    THEN c.relowner END AS role
        FROM pg_class c WHERE c.relkind = 'v' AND c.oid IN (SELECT to_object FROM reference)
        UNION ALL
        SELECT 'pg_proc'::regclass, f.oid, CASE WHEN f.prosecdef THEN f.proowner END
        FROM pg_proc f WHERE f.oid IN (SELECT to_object FROM reference)
    ), actor(role) AS MATERIALIZED (
        -- Zero is a role that no policy names. Of roles that policies do not tell apart one is enough.
        SELECT 0::oid
        UNION
        SELECT role FROM switch JOIN pg_roles r ON r.oid = role AND NOT r.rolsuper AND NOT r.rolbypassrls
        UNION
        SELECT min(r.oid)
        FROM pg_roles r
             CROSS JOIN LATERAL (
                 SELECT array_agg(pg_has_role(r.oid, named.role, 'USAGE') ORDER BY named.role)
                 FROM (SELECT unnest(roles || owner) FROM policy) AS named(role)
                 WHERE named.role <> 0) AS rights(held)
        WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND true = ANY (rights.held)
        GROUP BY rights.held
    ), subject AS MATERIALIZED (
        SELECT c.oid AS relation, actor.role
        FROM pg_class c CROSS JOIN actor
        WHERE (c.relrowsecurity OR c.oid IN (SELECT relation FROM contact))
          AND c.oid IN (SELECT object FROM reference)
          AND (actor.role = 0 OR c.relforcerowsecurity OR NOT pg_has_role(actor.role, c.relowner, 'USAGE'))
    ), applied AS MATERIALIZED (
        SELECT policy.*, subject.role
        FROM policy JOIN subject USING (relation)
        WHERE EXISTS (SELECT FROM unnest(policy.roles) AS named(role)
                      WHERE CASE WHEN 0 IN (named.role, subject.role) THEN named.role = 0
                                 ELSE pg_has_role(subject.role, named.role, 'USAGE') END)
    ), step AS MATERIALIZED (
        SELECT 'pg_class'::regclass::oid AS class, a.relation AS object, a.role, r.to_class, r.to_object, r.by_name
        FROM applied a JOIN reference r ON r.class = 'pg_policy'::regclass AND r.object = a.oid
        WHERE a.reading
        UNION ALL
        SELECT 'pg_class'::regclass, contact.relation, subject.role, 'pg_class'::regclass, s.customers, false
        FROM contact JOIN subject USING (relation)
        UNION ALL
        SELECT r.class, r.object, NULL, r.to_class, r.to_object, r.by_name
        FROM reference r JOIN switch USING (class, object)
    ), walk(policy, first, target_class, target, caller, role, class, object, contact, by_name) AS (
        -- From each policy, to where it would lead to the table it is for again, or to a contact table that inherits
        -- it.
        SELECT a.oid, r.to_object, 'pg_class'::regclass::oid, start.relation, a.role, a.role, r.to_class, r.to_object,
               (SELECT relation FROM contact WHERE relation = r.to_object), r.by_name
        FROM applied a
             JOIN reference r ON r.class = 'pg_policy'::regclass AND r.object = a.oid
             JOIN subject start ON start.role = a.role
                  AND (start.relation = a.relation OR a.inherited AND start.relation IN (SELECT relation FROM contact))
        UNION
        SELECT w.policy, w.first,
               CASE WHEN anew THEN w.class ELSE w.target_class END, CASE WHEN anew THEN w.object ELSE w.target END,
               CASE WHEN through.class = 'pg_proc'::regclass THEN coalesce(through.role, w.caller) ELSE w.caller END,
               CASE WHEN through.object IS NULL THEN w.role ELSE coalesce(through.role, w.caller) END,
               step.to_class, step.to_object,
               coalesce(CASE WHEN NOT anew THEN w.contact END,
                        (SELECT relation FROM contact WHERE relation = step.to_object)),
               w.by_name OR step.by_name
        FROM walk w
             JOIN step ON (step.class, step.object) = (w.class, w.object) AND coalesce(step.role, w.role) = w.role
             LEFT JOIN switch through ON (through.class, through.object) = (w.class, w.object)
             CROSS JOIN LATERAL (
                 SELECT through.class = 'pg_proc'::regclass AND w.target_class <> through.class IS TRUE) AS it(anew)
    )
    SELECT DISTINCT ON (w.policy) w.policy, CASE WHEN w.target_class = 'pg_class'::regclass THEN w.target END,
           w.contact, w.first, CASE WHEN w.target_class = 'pg_proc'::regclass THEN w.target END, w.by_name
    FROM walk w JOIN policy p ON p.oid = w.policy
    WHERE (w.class, w.object) = (w.target_class, w.target) AND w.contact IS NOT NULL
      AND (w.class = 'pg_proc'::regclass
           OR EXISTS (SELECT FROM step     -- a contact table: attach gives it a policy with a sub-select
                      WHERE (step.class, step.object, step.role) = (w.class, w.object, w.role)
                        AND w.object IN (SELECT relation FROM contact))
           OR EXISTS (SELECT FROM applied a
                      WHERE (a.relation, a.role) = (w.object, w.role) AND a.reading AND a.has_sublinks))
    ORDER BY w.policy, w.by_name, w.target_class, w.target <> p.relation, w.contact::regclass::text, w.first
$$;
COMMENT ON FUNCTION contact_sync_internal.recursive_policies(contact_sync_internal.shape) IS
    'the policies that will recurse through the policies of the contact tables, and how; by_name: perhaps';

CREATE FUNCTION contact_sync_internal.check_recursion(s contact_sync_internal.shape)
RETURNS TABLE (object text, status text, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('policy %I on %s', p.polname, p.polrelid::regclass),
           CASE WHEN r.by_name THEN 'advice' ELSE 'blocked' END,
           CASE WHEN r.function IS NOT NULL THEN
                    format('the policy calls function %s, which runs as %s and %s', r.function::regprocedure,
                           CASE WHEN f.prosecdef THEN f.proowner::regrole::text ELSE 'its caller' END,
                           CASE WHEN r.by_name THEN 'seems to read ' ELSE 'reads ' END)
                ELSE 'the policy reads ' END
           || r.contact::regclass
           || CASE WHEN r.function IS NULL AND r.first <> r.contact THEN ' by way of ' || r.first::regclass ELSE '' END
           || CASE WHEN r.target = p.polrelid AND r.target = r.contact THEN ', its own table'
                   WHEN r.target = r.contact AND p.polcmd = 'w' THEN ', whose policies are to have its condition'
                   ELSE format(', whose policies are to read %s', s.name)
                        || CASE WHEN p.polrelid <> s.customers THEN format(', which leads back to %s', p.polrelid::regclass)
                                ELSE '' END END
           || CASE WHEN NOT r.by_name THEN ': infinite recursion; '
                   ELSE format(': if it does, queries of %s fail after attach (stack depth limit exceeded); before COMMIT, '
                               'try SELECT FROM %1$s as an application role; if it fails, ', p.polrelid::regclass) END
           || CASE WHEN r.function IS NOT NULL THEN 'make the function SECURITY DEFINER'
                   ELSE format('let it read %s in a SECURITY DEFINER function', r.contact::regclass) END
           || format(', owned by the owner of %s, or attach with rls => ''keep''', s.name)
    FROM contact_sync_internal.recursive_policies(s) r
         JOIN pg_policy p ON p.oid = r.policy
         LEFT JOIN pg_proc f ON f.oid = r.function
    ORDER BY p.polrelid <> s.customers, p.polrelid::regclass::text, p.polname
$$;
COMMENT ON FUNCTION contact_sync_internal.check_recursion(contact_sync_internal.shape) IS
    'what verify says of policies that lead to contact tables and back';

CREATE FUNCTION contact_sync_internal.unreadable_columns(s contact_sync_internal.shape)
RETURNS TABLE (relation oid, role text, columns text, grants text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH needed(writing, roles, relation, attnum) AS (
        -- Our policies look the customer up, and those of customers apply to that; what these read of customers itself
        -- needs no privilege. A copied condition needs them all. A policy's WITH CHECK is not copied.
        SELECT false, '{0}'::oid[], s.customers, s.id
        UNION
        SELECT writing, p.polroles, d.refobjid, coalesce(every.attnum, d.refobjsubid)
        FROM pg_policy p
             CROSS JOIN LATERAL pg_get_expr(p.polqual, p.polrelid) AS condition
             JOIN (VALUES (false, 'r'::"char"), (true, 'w')) AS access(writing, command) ON p.polcmd IN (command, '*')
             JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                                 AND d.refclassid = 'pg_class'::regclass
             JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid <> 0
             LEFT JOIN pg_attribute every ON every.attrelid = d.refobjid AND every.attnum > 0 AND NOT every.attisdropped
                                             AND d.refobjid = s.customers AND d.deptype = 'a'   -- a whole row
        WHERE s.row_security AND p.polrelid = s.customers
          AND CASE WHEN d.refobjid <> s.customers THEN strpos(condition, quote_ident(coalesce(a.attname, c.relname))) > 0
                   WHEN d.deptype = 'a' THEN writing AND strpos(condition, quote_ident(c.relname) || '.*') > 0
                   ELSE writing AND strpos(condition, quote_ident(a.attname)) > 0 END
    ), granted AS MATERIALIZED (
        SELECT t.relation, t.position, a.grantee, a.privilege_type = 'SELECT' AS reading
        FROM contact_sync_internal.contact_tables(s) t
             JOIN pg_class c ON c.oid = t.relation
             CROSS JOIN LATERAL (
                 SELECT c.relacl UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = c.oid) AS list(acl)
             CROSS JOIN LATERAL aclexplode(list.acl) a
        WHERE t.usable AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE')
    ), reader AS MATERIALIZED (
        -- Whoever has grants, or a policy of customers, or both through two roles that do not include each other.
        SELECT r.oid AS role FROM pg_roles r
        WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND NOT pg_has_role(r.oid, s.owner, 'USAGE')
          AND (r.oid IN (SELECT grantee FROM granted UNION SELECT unnest(roles) FROM needed)
               OR EXISTS (SELECT FROM granted WHERE grantee <> 0 AND pg_has_role(r.oid, grantee, 'USAGE'))
                  AND EXISTS (SELECT FROM needed, unnest(roles) AS named(role)
                              WHERE named.role <> 0 AND pg_has_role(r.oid, named.role, 'USAGE')))
        UNION ALL
        SELECT 0
    ), lacking AS MATERIALIZED (
        SELECT DISTINCT access.position, access.relation AS contact, reader.role, n.relation, n.attnum
        FROM reader
             JOIN (SELECT DISTINCT grantee, relation, position, NOT reading AS writing FROM granted) AS access
                  ON CASE WHEN 0 IN (access.grantee, reader.role) THEN access.grantee = 0
                          ELSE pg_has_role(reader.role, access.grantee, 'USAGE') END
             JOIN needed n ON access.writing OR NOT n.writing
        WHERE EXISTS (SELECT FROM unnest(n.roles) AS named(role)
                      WHERE CASE WHEN 0 IN (named.role, reader.role) THEN named.role = 0
                                 ELSE pg_has_role(reader.role, named.role, 'USAGE') END)
          AND NOT CASE WHEN reader.role = 0 AND n.attnum = 0 THEN false
                       WHEN reader.role = 0 THEN has_column_privilege('public', n.relation, n.attnum::smallint, 'SELECT')
                       WHEN n.attnum = 0 THEN has_any_column_privilege(reader.role, n.relation, 'SELECT')
                       ELSE has_column_privilege(reader.role, n.relation, n.attnum::smallint, 'SELECT') END
    ), listed AS (
        SELECT l.position, l.contact, coalesce(quote_ident(r.rolname), 'PUBLIC') AS role, l.relation,
               string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns
        FROM lacking l
             LEFT JOIN pg_roles r ON r.oid = l.role
             LEFT JOIN pg_attribute a ON a.attrelid = l.relation AND a.attnum = l.attnum AND l.attnum <> 0
        WHERE NOT EXISTS (                  -- said of a role that it inherits from, or of PUBLIC, if it has no more
            SELECT FROM lacking above
            WHERE (above.contact, above.relation, above.attnum) = (l.contact, l.relation, l.attnum)
              AND above.role <> l.role
              AND CASE WHEN l.role = 0 THEN false
                       WHEN above.role = 0 THEN (l.contact, l.role) NOT IN (SELECT relation, grantee FROM granted)
                       ELSE pg_has_role(l.role, above.role, 'USAGE') END)
        GROUP BY l.position, l.contact, r.rolname, l.relation
    )
    SELECT contact, role,
           string_agg(relation::regclass || coalesce(format(' (%s)', columns), ''), ', ' ORDER BY relation::regclass::text),
           string_agg(format('GRANT SELECT%s ON TABLE %s TO %s;', coalesce(format(' (%s)', columns), ''),
                             relation::regclass, role), E'\n' ORDER BY relation::regclass::text)
    FROM listed GROUP BY position, contact, role ORDER BY position, role
$$;
COMMENT ON FUNCTION contact_sync_internal.unreadable_columns(contact_sync_internal.shape) IS
    'columns that the policies of a contact table read, and roles that may use the table but not read them';

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
               obj_description(p.oid, 'pg_policy') AS comment, contact_sync_internal.is_our_policy(p.oid) AS ours,
               contact_sync_internal.is_open_policy(p.oid) AS open
        FROM contact JOIN pg_policy p ON p.polrelid = contact.relation
    ), expected AS MATERIALIZED (
        SELECT contact.position, contact.name AS table_name, e.policy, e.command, e.permissive, e.roles, e.role_list,
               e.without_customer, e.lookup, e.condition, e.comment
        FROM contact_sync_internal.expected_policies(s) e JOIN contact USING (table_name)
    ), other AS MATERIALIZED (
        -- Policies of the contact tables that are not to be there.
        SELECT a.* FROM actual a
        WHERE NOT EXISTS (SELECT FROM expected e WHERE (e.table_name, e.policy) = (a.table_name, a.policy))
    ), finding AS (
        -- A table that attach creates gets row security whatever the caller says of policies.
        SELECT 2 AS step, position, ''::name AS policy, 'row_security' AS check_name, name AS object,
               CASE WHEN row_security THEN 'ok' ELSE 'fix' END AS status,
               CASE WHEN relation IS NULL THEN 'the table is to be created with row security'
                    WHEN NOT row_security THEN
                        'row security is off: whoever may read the table reads every row' END AS problem,
               format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', name) AS fix
        FROM contact WHERE rls = 'inherit' OR relation IS NULL

        UNION ALL
        -- Row security that is off is a reason for policies of rows without a customer: these come before it is turned on.
        SELECT CASE WHEN e.without_customer THEN 1 ELSE 3 END, e.position, e.policy, 'policy',
               format('policy %I on %s', e.policy, e.table_name),
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
        SELECT 4, o.position, o.policy, 'policy', format('policy %I on %s', o.policy, o.table_name), 'fix',
               'no policy of ' || s.name || ' stands behind it any more',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND o.ours

        UNION ALL
        -- The legacy policies, known by what they say.
        SELECT 5, o.position, o.policy, 'legacy_policy', format('policy %I on %s', o.policy, o.table_name), 'fix',
               'it opens every row of the table to all',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND NOT o.ours AND o.open AND o.roles = '{0}'

        UNION ALL
        SELECT 5, contact.position, '', 'legacy_policy', contact.name, 'ok', NULL, NULL
        FROM contact
        WHERE rls = 'inherit'
          AND NOT EXISTS (SELECT FROM other o
                          WHERE o.table_name = contact.name AND NOT o.ours AND o.open AND o.roles = '{0}')

        UNION ALL
        SELECT 6, o.position, o.policy, 'open_policy', format('policy %I on %s', o.policy, o.table_name), 'advice',
               'it opens every row of the table to the roles it names',
               format('DROP POLICY %I ON %s;', o.policy, o.table_name)
        FROM other o WHERE rls = 'inherit' AND NOT o.ours AND o.open AND o.roles <> '{0}'

        UNION ALL
        SELECT 0, place::integer, '', 'recursive_policy', r.object, r.status, r.problem, NULL
        FROM contact_sync_internal.check_recursion(s) WITH ORDINALITY AS r(object, status, problem, place)
        WHERE rls = 'inherit'
    )
    SELECT check_name, object, status, problem, CASE WHEN status IN ('fix', 'advice') THEN fix END
    FROM finding ORDER BY step, position, policy <> 'contact_sync_select', policy
$$;
COMMENT ON FUNCTION contact_sync_internal.check_policies(contact_sync_internal.shape, text) IS
    'what verify says of row security; rls is inherit or keep';
