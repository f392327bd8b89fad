package app.item.service.impl;

import app.item.service.ItemService;
import app.item.service.ItemVO;
import jakarta.annotation.Resource;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.MessageSource;
import org.springframework.context.i18n.LocaleContextHolder;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

@Service("itemService")
public class ItemServiceImpl implements ItemService {
	private static final Logger LOGGER = LoggerFactory.getLogger(ItemServiceImpl.class);

	@Resource(name = "itemMapper")
	private ItemMapper itemMapper;

	@Resource(name = "messageSource")
	private MessageSource messageSource;

	@Override
	public List<ItemVO> selectItemList(int first, int size) {
		return itemMapper.selectItemList(first, size);
	}

	@Override
	public int selectItemCount() {
		return itemMapper.selectItemCount();
	}

	@Override
	@Transactional(rollbackFor = Exception.class)
	public void insertItem(ItemVO item) throws Exception {
		item.setName(item.getName().strip());
		if (itemMapper.insertItem(item) != 1)
			throw new IllegalStateException(messageSource.getMessage("item.not.added",
					new String[] {item.getName()}, LocaleContextHolder.getLocale()));
		LOGGER.debug("added {}", item.getName());
	}
}
