#include "server/guard.hpp"

#include "server/identity.hpp"
#include "server/settings.hpp"

extern "C"
{
#include "mb/pg_wchar.h"
#include "storage/proc.h"
#include "utils/resowner.h"
}

namespace contact_sync
{

namespace
{

bool is_under_way = false; // the outermost attempt

/// How a session waits for locks.
struct Waits
{
	int lock_timeout;
	int deadlock_timeout;
	bool log;
};

Waits waits_of_session = {}; // while an attempt is under way

Waits current_waits()
{
	return {LockTimeout, DeadlockTimeout, log_lock_waits};
}

// All three are read only when a wait begins.
void set_waits(const Waits &waits)
{
	LockTimeout = waits.lock_timeout;
	DeadlockTimeout = waits.deadlock_timeout;
	log_lock_waits = waits.log;
}

/// How a body waits. It gives up before any session that waits for it can find a deadlock, because that session's
/// customer would then be the victim, outside any guard. And it looks for a deadlock itself at once: where it is the
/// one that closes the circle, the other's check may be due any moment. All waits are shorter than those that
/// log_lock_waits is about.
Waits waits_of_body(const Waits &session, int lock_timeout)
{
	int most = Min(settings::lock_timeout, Max(session.deadlock_timeout - 1, 1));
	if (lock_timeout > 0)
		most = Min(most, lock_timeout);
	if (session.lock_timeout > 0)
		most = Min(most, session.lock_timeout);
	return {most, 1, false};
}

bool is_the_clients(int sqlstate)
{
	return sqlstate == ERRCODE_QUERY_CANCELED || sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/// Takes the error out of PostgreSQL's hands, after what it interrupted was rolled back by `roll_back`.
template <typename RollBack> const Error *caught(MemoryContext context, const RollBack &roll_back)
{
	MemoryContextSwitchTo(context);
	ErrorData *raised = CopyErrorData();
	FlushErrorState();
	roll_back();
	MemoryContextSwitchTo(context);
	if (is_the_clients(raised->sqlerrcode))
		ReThrowError(raised);

	auto *error = static_cast<Error *>(palloc(sizeof(Error)));
	*error = {raised->sqlerrcode, clipped(raised->message), clipped(raised->detail), clipped(raised->context)};
	FreeErrorData(raised);
	return error;
}

} // namespace

void Attempt::admit_users_code(const char *search_path)
{
	// As SET LOCAL would, not by hand: such code may set them too, and what that finds is what is restored in the end.
	if (settings_ == 0)
		settings_ = NewGUCNestLevel();
	if (is_outermost_)
	{
		const Waits waits = current_waits();
		set_waits(waits_of_session);
		set_option("lock_timeout", waits.lock_timeout);
		set_option("deadlock_timeout", waits.deadlock_timeout, PGC_SUSET);
		set_option("log_lock_waits", waits.log ? "on" : "off", PGC_SUSET);
	}
	// As fmgr_security_definer() does it: an override of the path would be stronger than the SET clauses of the
	// functions that users' triggers call.
	if (search_path != nullptr)
		set_option("search_path", search_path);
}

void Attempt::run(const Terms &terms, void (*body)(const void *, Attempt &), const void *argument)
{
	Identity before = {};
	if (OidIsValid(terms.role))
		before = assume(terms.role, terms.security_context);
	as_error(
		[this, body, argument]
		{
			fault("attempt");
			body(argument, *this);
			fault("attempted");
		});
	// Whatever was set is undone: what users' code sets with SET would otherwise outlive this level.
	if (settings_ > 0)
		AtEOXact_GUC(false, settings_);
	if (OidIsValid(terms.role))
		resume(before);
}

const Error *attempt(const Terms &terms, void (*body)(const void *, Attempt &), const void *argument)
{
	const Oid acting = acting_role();
	Attempt attempt;

	if (is_under_way)
	{
		PG_TRY();
		{
			attempt.run(terms, body, argument);
		}
		PG_CATCH();
		{
			restore_acting_role(acting);
			PG_RE_THROW();
		}
		PG_END_TRY();
		return nullptr;
	}

	const MemoryContext context = CurrentMemoryContext;
	const ResourceOwner owner = CurrentResourceOwner;
	const Error *volatile error = nullptr;
	attempt.is_outermost_ = true;
	waits_of_session = current_waits();

	BeginInternalSubTransaction(nullptr);
	MemoryContextSwitchTo(context);
	is_under_way = true;
	PG_TRY();
	{
		set_waits(waits_of_body(waits_of_session, terms.lock_timeout));
		attempt.run(terms, body, argument);
		set_waits(waits_of_session);
		is_under_way = false;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		is_under_way = false;
		restore_acting_role(acting);
		set_waits(waits_of_session);
		error = caught(context, RollbackAndReleaseCurrentSubTransaction);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

const char *clipped(const char *text)
{
	if (text == nullptr)
		return nullptr;
	const auto length = static_cast<int>(strlen(text));
	return length <= max_error_text ? pstrdup(text) : pnstrdup(text, pg_mbcliplen(text, length, max_error_text));
}

const char *search_path_of(Oid schema)
{
	return psprintf("pg_catalog, %s, pg_temp", quote_identifier(get_namespace_name(schema)));
}

void set_option(const char *name, const char *value, GucContext context)
{
	(void)set_config_option(name, value, context, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void set_option(const char *name, int value, GucContext context)
{
	char digits[16];
	pg_ltoa(value, digits);
	set_option(name, digits, context);
}

void fix_output()
{
	set_option("datestyle", "ISO");
	set_option("intervalstyle", "postgres");
	set_option("timezone", "UTC");
	set_option("extra_float_digits", "1");
	set_option("bytea_output", "hex");
}

} // namespace contact_sync
