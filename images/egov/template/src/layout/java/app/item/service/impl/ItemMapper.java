package app.item.service.impl;

import app.item.service.ItemVO;
import java.util.List;
import org.apache.ibatis.annotations.Mapper;
import org.apache.ibatis.annotations.Param;

/** The statements of mapper/item.xml. */
@Mapper
public interface ItemMapper {
	List<ItemVO> selectItemList(@Param("first") int first, @Param("size") int size);

	int selectItemCount();

	int insertItem(ItemVO item);
}
