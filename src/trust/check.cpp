#include "trust/check.hpp"

#include "catalog/column.hpp"
#include "server/compat.hpp"
#include "trust/trust.hpp"

extern "C"
{
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"
}

namespace contact_sync
{

namespace
{

Datum value_of(Oid type, int32 typmod, const char *text)
{
	Oid input;
	Oid parameter;
	const Oid base = getBaseTypeAndTypmod(type, &typmod);
	getTypeInputInfo(base, &input, &parameter);
	return OidInputFunctionCall(input, const_cast<char *>(text), parameter, typmod);
}

/// The column that a constraint of a table is on, or InvalidAttrNumber where it is not on exactly one.
AttrNumber only_column(HeapTuple constraint)
{
	bool null;
	const Datum columns = SysCacheGetAttr(CONSTROID, constraint, Anum_pg_constraint_conkey, &null);
	if (null)
		return InvalidAttrNumber;
	const ArrayType *array = DatumGetArrayTypeP(columns);
	return ARR_DIMS(array)[0] == 1 ? *reinterpret_cast<const AttrNumber *>(ARR_DATA_PTR(array)) : InvalidAttrNumber;
}

/// Makes a row of a table that has nothing but the value in one column, for the expression to read.
void expose(ExprContext &context, Oid table, AttrNumber column, const char *value)
{
	const TupleDesc columns = lookup_rowtype_tupdesc_copy(get_rel_type_id(table), -1);
	const Form_pg_attribute attribute = TupleDescAttr(columns, column - 1);
	TupleTableSlot *row = ExecStoreAllNullTuple(MakeSingleTupleTableSlot(columns, &TTSOpsVirtual));
	if (value != nullptr)
		row->tts_values[column - 1] = value_of(attribute->atttypid, attribute->atttypmod, value);
	row->tts_isnull[column - 1] = value == nullptr;
	context.ecxt_scantuple = row;
}

/// The constraints of a table on one column alone, or else of a domain.
List *constraints_of(Oid table, AttrNumber column, Oid domain)
{
	List *found = NIL;
	ScanKeyData keys[2];
	ScanKeyInit(&keys[0], Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	ScanKeyInit(&keys[1], Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(domain));
	const Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
	const SysScanDesc scan =
		systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, nullptr, lengthof(keys), keys);
	while (const HeapTuple tuple = systable_getnext(scan))
	{
		const auto &constraint = *reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
		if (is_enforced(constraint) && (!OidIsValid(table) || only_column(tuple) == column))
			found = lappend_oid(found, constraint.oid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/// Whether a type's input makes a value of the category of a text, and raises nothing.
bool reads(Oid type, int32 typmod, char category, const char *value)
{
	const Oid base = getBaseTypeAndTypmod(type, &typmod);
	if (value == nullptr)
		return true;
	switch (category)
	{
	case TYPCATEGORY_BOOLEAN:
		return base == BOOLOID;
	case TYPCATEGORY_DATETIME:
		return base == DATEOID || base == TIMESTAMPOID || base == TIMESTAMPTZOID;
	default:
		break;
	}
	if (get_typtype(base) == TYPTYPE_ENUM)
		return SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(base), CStringGetDatum(value));
	const int room = max_characters(type, typmod);
	return is_text_type(base) && (room < 0 || static_cast<int>(strlen(value)) <= room);
}

/// Whether a list of constraints has one that refuses a value.
bool is_refused_by_any(const List *constraints, const char *value)
{
	ListCell *cell;
	foreach (cell, constraints)
		if (is_refused(lfirst_oid(cell), value))
			return true;
	return false;
}

} // namespace

bool is_refused(Oid constraint, const char *value)
{
	const HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return false;
	const auto form = *reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
	const AttrNumber column = OidIsValid(form.conrelid) ? only_column(tuple) : InvalidAttrNumber;
	bool null;
	const Datum tree = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conbin, &null);
	Node *expression = null ? nullptr : static_cast<Node *>(stringToNode(TextDatumGetCString(tree)));
	ReleaseSysCache(tuple);
	if (form.contype != CONSTRAINT_CHECK || expression == nullptr || !is_computation(expression) ||
		(OidIsValid(form.conrelid) && column == InvalidAttrNumber))
		return false;

	EState *executor = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(executor);
	if (OidIsValid(form.conrelid))
		expose(*context, form.conrelid, column, value);
	else
	{
		context->domainValue_datum = value == nullptr ? 0 : value_of(form.contypid, -1, value);
		context->domainValue_isNull = value == nullptr;
	}
	ExprState *state = ExecPrepareExpr(reinterpret_cast<Expr *>(expression), executor);
	const bool accepted = ExecCheck(state, context);
	FreeExecutorState(executor);
	return !accepted;
}

bool accepts(Oid table, const char *column, char category, const char *value)
{
	const HeapTuple tuple = SearchSysCacheAttName(table, column);
	if (!HeapTupleIsValid(tuple))
		return false;
	const FormData_pg_attribute attribute = *reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	if (attribute.attgenerated != '\0' || (value == nullptr && attribute.attnotnull) ||
		!reads(attribute.atttypid, attribute.atttypmod, category, value))
		return false;

	if (is_refused_by_any(constraints_of(table, attribute.attnum, InvalidOid), value))
		return false;
	for (Oid domain = attribute.atttypid; get_typtype(domain) == TYPTYPE_DOMAIN;)
	{
		const HeapTuple type = SearchSysCache1(TYPEOID, ObjectIdGetDatum(domain));
		if (!HeapTupleIsValid(type))
			return false;
		const auto &form = *reinterpret_cast<Form_pg_type>(GETSTRUCT(type));
		const bool refuses_null = form.typnotnull;
		const Oid base = form.typbasetype;
		ReleaseSysCache(type);
		if ((value == nullptr && refuses_null) || is_refused_by_any(constraints_of(InvalidOid, 0, domain), value))
			return false;
		domain = base;
	}
	return true;
}

} // namespace contact_sync
