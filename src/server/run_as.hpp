/// How the functions for administrators become who they must be.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// What is behind each function for administrators: calls contact_sync_internal.NAME_as_owner, which has the function's
/// own name, arguments and columns, with the rights of the owner of the table that is the first argument, and of nobody
/// else: so nothing that it meets of the owner's code gains the caller's. Where no table is named, or none exists, the
/// caller's own rights have to do.
///
/// It is a security-restricted operation: nothing can be left for later, when the caller's rights are back. search_path
/// is pg_catalog, the table's schema, pg_temp; keys are text in a form that does not depend on the session's settings.
/// Whatever is set meanwhile is undone. A caller who may not act as the owner gets 42501.
Datum run_as_owner(FunctionCallInfo fcinfo);

/// The same for NAME_as_keeper, with the rights of the owner of contact_sync.failures; the caller must be able to act
/// as the owner of the table.
Datum run_as_keeper(FunctionCallInfo fcinfo);

/// Executes a statement, whose $1 is the second argument, an array of text, and returns its rows, with the rights and
/// the settings that it finds. It may name only tables whose owner has these rights, see plan_statement().
Datum run_query(FunctionCallInfo fcinfo);

/// The same with the search_path that run_as_owner() set, which is that of the owner's triggers.
Datum run_write(FunctionCallInfo fcinfo);

/// Executes a statement of any kind, with the rights and settings that it finds; what users' code sets meanwhile is
/// undone. For DDL, which PostgreSQL lets none but a table's owner do.
void run_utility(const char *sql);

/// The role that called the function for administrators under way; where there is none, the current user.
Oid caller();

/// Lets the role that the function for administrators under way acts as, the owner of customers, put a trigger function
/// of ours on tables: a GRANT by the caller, and nothing else. Raises what GRANT raises, and 55000 outside attach.
void grant_execute(Oid function);

} // namespace contact_sync
