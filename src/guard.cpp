#include "guard.hpp"

#include "settings.hpp"

extern "C"
{
#include "storage/proc.h"
#include "utils/resowner.h"
}

namespace contact_sync
{

void set_option(const char *name, const char *value, GucContext context)
{
	(void)set_config_option(name, value, context, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

namespace
{

/// How long the body may wait for a lock. It gives up before any session that waits for it can find a deadlock, or else
/// that session's customer would be the victim, outside any guard. And it looks for a deadlock itself at once: where it
/// is the one that closes the circle, the other's check may be due any moment.
///
/// Both are read only when a wait begins. They are set as SET LOCAL would, not by hand, for a user's own trigger may
/// set them too, and what that finds is what the end of the transaction restores.
void limit_lock_waits()
{
	int timeout = Min(settings::lock_timeout, Max(DeadlockTimeout - 1, 1));
	if (LockTimeout > 0)
		timeout = Min(timeout, LockTimeout);

	char milliseconds[16];
	pg_ltoa(timeout, milliseconds);
	set_option("lock_timeout", milliseconds);
	set_option("deadlock_timeout", "1", PGC_SUSET);
}

/// What a body finds changed, and gets back the way it was. The subtransaction gives parameters back at its end, and
/// where it aborts the user that it began with: so all is taken after its begin, and the user given back before its
/// end.
struct Surroundings
{
	Oid user;
	int security_context;

	static Surroundings change(const Rights *rights)
	{
		Surroundings before;
		GetUserIdAndSecContext(&before.user, &before.security_context);
		limit_lock_waits();
		if (rights != nullptr)
			take_on(*rights);
		return before;
	}

	void restore() const { SetUserIdAndSecContext(user, security_context); }
};

bool is_the_clients(const ErrorData &error)
{
	return error.sqlerrcode == ERRCODE_QUERY_CANCELED || error.sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

} // namespace

const char *search_path_of(Oid schema)
{
	return psprintf("pg_catalog, %s, pg_temp", quote_identifier(get_namespace_name(schema)));
}

void take_on(const Rights &rights, int security_context)
{
	Oid user;
	int present;
	GetUserIdAndSecContext(&user, &present);
	SetUserIdAndSecContext(rights.user,
						   present | security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	// As fmgr_security_definer() does it: an override of the path would be stronger than the SET clauses of the
	// functions that users' triggers call.
	set_option("search_path", rights.search_path);
}

ErrorData *attempt(const Rights *rights, void (*body)(const void *argument), const void *argument)
{
	const MemoryContext context = CurrentMemoryContext;
	const ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = nullptr;

	BeginInternalSubTransaction(nullptr);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		const Surroundings before = Surroundings::change(rights);
		as_error(
			[body, argument]
			{
				fault("attempt");
				body(argument);
				fault("attempted");
			});
		before.restore();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != nullptr && is_the_clients(*error))
		ReThrowError(error);
	return error;
}

} // namespace contact_sync
