#include "failure.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "common/hashfn.h"
}

namespace contact_sync
{

namespace
{

constexpr int warnings_allowed = 10;
int warnings_given = 0; // in the present transaction

const char *key_text(const Work &work)
{
	if (work.key.null)
		return "NULL";

	Oid output;
	bool is_varlena;
	getTypeOutputInfo(work.binding.id.type, &output, &is_varlena);
	return OidOutputFunctionCall(output, work.key.value);
}

/// Says something to the client, if it can be said: a character that the client's encoding lacks is an ERROR like any
/// other.
template <typename Say> void say(const Say &say)
{
	if (const ErrorData *unsaid = attempt(nullptr, say))
		ereport(LOG_SERVER_ONLY, errcode(unsaid->sqlerrcode),
				errmsg("contact_sync could not send a warning: %s", unsaid->message));
}

void insert_failure(const Work &work, const Failure &failure, const char *customer)
{
	const char *sql =
		psprintf("INSERT INTO %s AS f (customers_table, customer, function, first_failed, last_failed, times, "
				 "sqlstate, message) "
				 "VALUES ($1, $2, $3, pg_catalog.now(), pg_catalog.now(), 1, $4, $5) "
				 "ON CONFLICT (customers_table, customer, function) DO UPDATE SET "
				 "last_failed = excluded.last_failed, times = f.times OPERATOR(pg_catalog.+) 1, "
				 "sqlstate = excluded.sqlstate, message = excluded.message",
				 quote_qualified_identifier(get_namespace_name(get_func_namespace(work.function_oid)), "failures"));
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(work.binding.customers), CStringGetTextDatum(customer),
					  CStringGetTextDatum(work.function), CStringGetTextDatum(unpack_sql_state(failure.sqlstate)),
					  CStringGetTextDatum(failure.message)};

	SPI_connect();
	SPI_execute_with_args(sql, lengthof(types), types, values, nullptr, false, 0);
	SPI_finish();
}

Rights rights_of_failures(const Work &work)
{
	const Oid failures = get_relname_relid("failures", get_func_namespace(work.function_oid));
	const HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(failures));
	if (!HeapTupleIsValid(tuple))
		return {GetUserId(), "pg_catalog, pg_temp"}; // the INSERT will say what is missing
	const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return {owner, "pg_catalog, pg_temp"};
}

/// Whether it is said for the first time in this session. A message names its table: of a partition, the topmost
/// parent.
bool is_news(const char *message)
{
	static HTAB *said = nullptr; // hashes of messages
	if (said == nullptr)
	{
		HASHCTL control = {};
		control.keysize = control.entrysize = sizeof(uint64);
		said = hash_create("contact_sync warnings", 16, &control, HASH_ELEM | HASH_BLOBS);
	}

	const uint64 key =
		hash_bytes_extended(reinterpret_cast<const unsigned char *>(message), static_cast<int>(strlen(message)), 0);
	bool found;
	hash_search(said, &key, HASH_ENTER, &found);
	return !found;
}

void on_transaction_event(XactEvent event, void *)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		warnings_given = 0;
}

} // namespace

void fail(const Work &work, const Failure &failure)
{
	const char *customer = "(unknown)";
	const char **found = &customer;
	const Rights rights = rights_of_failures(work);
	const ErrorData *unrecorded = attempt(&rights,
										  [&work, &failure, found]
										  {
											  *found = key_text(work);
											  insert_failure(work, failure, *found);
										  });

	if (unrecorded != nullptr)
		ereport(LOG_SERVER_ONLY, errcode(failure.sqlstate),
				errmsg("contact_sync could not record a failure of %s() for customer %s of table \"%s\": %s",
					   work.function, customer, work.binding.customers, unrecorded->message),
				errdetail_internal("%s", failure.message));

	if (warnings_given++ >= warnings_allowed)
		return;
	say(
		[&work, &failure, customer, unrecorded]
		{
			ereport(WARNING, errcode(failure.sqlstate),
					errmsg("%s() failed for customer %s of table \"%s\": %s", work.function, customer,
						   work.binding.customers, failure.message),
					errdetail_internal("%s", failure.state),
					errdetail_log("%s%s%s%s%s", failure.state, failure.detail ? "\n" : "",
								  failure.detail ? failure.detail : "", failure.context ? "\n" : "",
								  failure.context ? failure.context : ""),
					unrecorded != nullptr
						? errhint("The failure could not be recorded; the server log says why.")
						: errhint("It is recorded in contact_sync.failures. Mend the cause, then CALL "
								  "contact_sync.reconcile(%s); "
								  "contact_sync.verify says what is wrong with the tables, if it is that.",
								  quote_literal_cstr(work.binding.customers)));
		});
}

void warn_once(int sqlstate, const char *message, const char *hint)
{
	if (!is_news(message))
		return;
	say(
		[sqlstate, message, hint]
		{
			ereport(WARNING, errcode(sqlstate), errmsg_internal("%s", message),
					errdetail("The row is saved. This is said once in a session."), errhint("%s", hint));
		});
}

void skip(const Work &work, int sqlstate, const char *problem)
{
	warn_once(sqlstate,
			  psprintf("%s() leaves work undone on table \"%s\": %s", work.function, work.binding.customers, problem),
			  psprintf("SELECT * FROM contact_sync.verify(%s) says what to mend.",
					   quote_literal_cstr(work.binding.customers)));
}

bool is_fit(const Work &work, const TriggerData &trigger, const Timing &timing)
{
	const char *problem = wrong_timing(trigger, timing);
	if (problem == nullptr && trigger.tg_trigger->tgnargs > max_arguments)
		problem = "it has too many arguments";
	if (problem == nullptr)
		return true;
	skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
		 psprintf("trigger \"%s\" is not made for it: %s", trigger.tg_trigger->tgname, problem));
	return false;
}

bool has_key(const Work &work)
{
	if (!has_column(work, work.binding.id))
		return false;
	if (work.binding.key_equality != nullptr)
		return true;
	skip(work, ERRCODE_UNDEFINED_FUNCTION,
		 psprintf("the type of column \"%s\" has no default equality operator", NameStr(work.binding.id.name)));
	return false;
}

bool has_column(const Work &work, const Column &column)
{
	if (AttributeNumberIsValid(column.number))
		return true;
	skip(work, ERRCODE_UNDEFINED_COLUMN, psprintf("it has no column \"%s\"", NameStr(column.name)));
	return false;
}

void watch_transactions()
{
	RegisterXactCallback(on_transaction_event, nullptr);
}

} // namespace contact_sync
