/// The guard: an error inside it costs what was done inside it, and nothing else.
#pragma once

#include "border.hpp"
#include "postgres.hpp"

namespace contact_sync
{

/// Whose rights a body runs with, and the search_path that users' own triggers and functions meet there.
struct Rights
{
	Oid user;
	const char *search_path;
};

/// The search_path for what belongs to a schema's customers: pg_catalog, the schema, pg_temp.
const char *search_path_of(Oid schema);

/// Takes on these rights and this search_path. To be called after NewGUCNestLevel(), and to be undone by AtEOXact_GUC()
/// and SetUserIdAndSecContext(); an abort of the (sub)transaction undoes it by itself. `security_context` is added to
/// what there is, and to what these rights are always taken on with.
void take_on(const Rights &rights, int security_context = 0);

/// Runs `body` with `argument` in an internal subtransaction, as PL/pgSQL's exception block does (pl_exec.c,
/// exec_stmt_block): a bare PG_TRY that swallowed the ERROR would leave locks, buffers and snapshots behind.
///
/// Returns null, or the error after everything was rolled back, in the caller's memory context. Two kinds are raised
/// again, for they are the client's to act on: a cancelled query (57014) and a serialization failure (40001).
/// `rights` may be null: then nothing changes hands. All that is awaited inside is awaited for
/// contact_sync.lock_timeout at the most. User, search_path and time-outs are on return what they were.
ErrorData *attempt(const Rights *rights, void (*body)(const void *argument), const void *argument);

/// The same for a function object.
template <typename Body> ErrorData *attempt(const Rights *rights, const Body &body)
{
	static_assert(std::is_trivially_destructible_v<Body>, "an ERROR in the body would jump over a destructor");
	return attempt(
		rights, [](const void *argument) { (*static_cast<const Body *>(argument))(); }, &body);
}

/// Sets a parameter for the rest of the body that attempt() runs, or until an AtEOXact_GUC() of the body's own.
void set_option(const char *name, const char *value, GucContext context = PGC_USERSET);

} // namespace contact_sync
