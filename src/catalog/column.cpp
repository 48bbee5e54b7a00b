#include "catalog/column.hpp"

#include "server/border.hpp"
#include "server/compat.hpp"
#include "triggers/number.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "utils/datum.h"
}

namespace contact_sync
{

bool is_text_type(Oid type)
{
	const Oid base = getBaseType(type);
	// char(n) becomes text through a function, but its bytes are those of text.
	return get_typlen(base) == -1 && (base == BPCHAROID || IsBinaryCoercible(base, TEXTOID));
}

Column column(TupleDesc columns, const char *name)
{
	Column column = {};
	namestrcpy(&column.name, name);

	for (int i = 0; i < columns->natts; i++)
	{
		const Form_pg_attribute attribute = TupleDescAttr(columns, i);
		if (attribute->attisdropped || namestrcmp(&attribute->attname, name) != 0)
			continue;

		column.generated = attribute->attgenerated != '\0';
		if (is_virtual(*attribute))
			break;
		column.number = attribute->attnum;
		column.type = attribute->atttypid;
		column.typmod = attribute->atttypmod;
		column.collation = attribute->attcollation;
		column.length = attribute->attlen;
		column.by_value = attribute->attbyval;
		column.is_text = is_text_type(attribute->atttypid);
		break;
	}
	return column;
}

Field field(const Column &column, TupleTableSlot *row)
{
	Field field;
	field.value = slot_getattr(row, column.number, &field.null);
	return field;
}

bool same_bits(const Column &column, Field left, Field right)
{
	if (left.null || right.null)
		return left.null == right.null;
	return datumIsEqual(left.value, right.value, column.by_value, column.length);
}

bool is_plain(const Column &column, Field field)
{
	if (field.null)
		return true;
	const auto *value = DatumGetPointer(field.value);
	return column.is_text && !VARATT_IS_EXTERNAL(value) && !VARATT_IS_COMPRESSED(value);
}

std::string_view number_of(const text *value)
{
	return number({VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))},
				  GetDatabaseEncoding() == PG_UTF8 ? Encoding::utf8 : Encoding::other);
}

std::string_view number_in(Field field)
{
	if (field.null)
		return {};
	return number_of(DatumGetTextPP(field.value));
}

bool may_have_changed(const Column &column, TupleTableSlot *before, TupleTableSlot *after)
{
	if (!AttributeNumberIsValid(column.number))
		return false;

	const Field was = field(column, before);
	const Field is = field(column, after);
	if (same_bits(column, was, is))
		return false;
	if (!is_plain(column, was) || !is_plain(column, is))
		return true;
	try
	{
		return number_in(was) != number_in(is);
	}
	catch (...)
	{
		return true; // to be met again where the guard stands around it
	}
}

int max_characters(Oid type, int32 typmod)
{
	const Oid base = getBaseTypeAndTypmod(type, &typmod);
	return (base == VARCHAROID || base == BPCHAROID) && typmod >= static_cast<int32>(VARHDRSZ)
			   ? typmod - static_cast<int32>(VARHDRSZ)
			   : -1;
}

} // namespace contact_sync
