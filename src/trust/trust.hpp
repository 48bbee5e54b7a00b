/// Whose code may run with the rights of a table's owner.
///
/// The owner alone writes a table's defaults, constraints, indexes, rules and policies; what those run is the owner's
/// affair. But the owner hands out TRIGGER and REFERENCES, and who holds these writes two things: which function a
/// trigger calls, and its condition. Functions are checked as they are called, because they may change at any time;
/// conditions, which never change, as a table is looked up.
#pragma once

#include "server/postgres.hpp"

extern "C"
{
#include "nodes/nodes.h"
}

namespace contact_sync
{

/// While contact_sync acts as a role (identity.hpp), a trigger function of a role without these rights raises 42501
/// instead of running with them. A SECURITY DEFINER function runs with its own owner's rights, and may. To be called
/// once, as the module is loaded.
///
/// By the function manager's hook (fmgr.h), which sees the user that a function is about to run as: whatever becomes of
/// the function before, there is nothing between the check and the call.
void watch_trigger_functions();

/// Whether values of a type are handled by PostgreSQL's own code alone: it pins the type, or it is an enum.
bool is_plain_type(Oid type);

/// Whether all columns are of such types.
bool have_plain_types(TupleDesc columns);

/// Whether an expression only computes: by functions and operators that PostgreSQL pins, immutable and in C, of plain
/// types, on plain columns. now() and gen_random_uuid(), which the contact tables' own defaults call, count as
/// that. Nothing that a user can make or change takes part, so it may be evaluated with any rights and at any place.
/// `of_whole_rows`: it may also take the table's whole row, as a trigger's condition that compares OLD and NEW does. To
/// be asked for where all columns are of such types alone.
bool is_computation(Node *expression, bool of_whole_rows = false);

} // namespace contact_sync
